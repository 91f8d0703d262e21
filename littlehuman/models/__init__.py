"""Models and tokenizers: weights, devices, memory, chat generation. Only this package and `training` import torch.

weights        names of weights -> a folder or a hub id;  hub: the commit of a hub id;  tiny: random test models
base_model     one frozen base model, loaded once and leased to one job after another
devices        device and precision
memory         out-of-memory handling, and how many cells fit
chat           chat messages -> texts, for prompt models of this process;  sampling: seeded sampling
chat_template  chat messages -> tokens
prefix_cache   keys and values of a prefix that several prompts share
"""
