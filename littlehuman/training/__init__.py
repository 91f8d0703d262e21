"""The torch frontier: nothing outside this package imports torch.

The way of a cell
    cells       what goes in (points, seed, values) and what comes out
    fit         cells -> outcomes; the door that the pipeline opens
    group       K cells on one base: as rows, trained at once, tested one after another
    course      one cell's order, schedule and optimiser, and how far it has come
    loop        the steps of K courses
    predict     a trained cell -> what it says of its test rows
    adapters    PEFT's targets, initialisation and files
    keeping     what stays of a trained cell: a folder that plain PEFT and transformers can use

The way of a batch
    batching    points -> rows of tokens
    packing     rows of K cells -> one batch, end to end or padded
    reading     a batch -> hidden states where something is to be said -> the model's own head
    attention   that stays inside each row of a packed batch
    stack       K adapters on one base;  stacked: one layer of it;  blocks: its products
    dropout     draws that have names
    layout      whether a model can read packed rows, tried on the model

Where it computes
    beforehand  whether device and weights can be had, asked before any twin is
    weights     names of weights -> a folder in Hugging Face layout, or a hub id;  hub: its commit
    base        that folder -> one frozen model, leased and taken back clean
    devices     device and precision;  memory: how much fits;  crew, workers: N processes
    decoding    messages -> texts, for prompt models that run in this process
    rendering   messages -> tokens;  answering: tokens -> texts, in batches;  noise: how they sample
    prefixes    read once where prompts begin alike
    counting    tokens of a text, by a local model's own tokenizer
    tiny, quiet random models for tests; the libraries' chatter
"""
