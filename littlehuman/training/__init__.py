"""The torch frontier: nothing outside this package imports torch.

fit        cells -> outcomes; the door that the pipeline opens
weights    names of weights -> a folder in Hugging Face layout (packaged, tiny, local) or a hub id
base       that folder -> one frozen model, leased to a job and taken back clean
batching   points -> token rows -> batches that pad only to their own longest row
lora       training values -> a PEFT adapter, with seeded initialisation
loop       adapter + lessons -> trained adapter and its log
predict    adapter + test rows -> predictions
decoding   messages -> texts, for prompt models that run in this process
"""
