"""Fine-tuning and evaluation. Only this package and `models` import torch.

One cell
    types          the input of training (`Cell`, `Settings`) and its result (`Outcome`)
    preflight      device and weights, checked before any twin is requested
    length_check   what the token limits cut, counted before any twin is requested
    fit            entry point: cells -> outcomes
    prepared       a cell with its rows, state and initial weights
    trainer        one base, groups of cells: encode, train, evaluate, split when memory runs out
    state          one cell's order, schedule, optimiser, log and checkpoint
    loop           the optimiser steps of K cells
    predict        test rows -> predicted texts
    trained_weights  a cell's weights by name;  full_weights: all weights of the base, for one cell at a time
    adapters       PEFT's targets, initialisation and the saved adapter folder

One batch
    encoding       examples -> rows of tokens with labels
    span_encoding  extractive question answering: windows with labels;  span_head: their loss and the best span
    packing        rows of K cells -> one batch, packed or padded, and its per-cell products
    packing_check  whether a model can read packed rows, tested on the model
    forward        hidden states at the positions that need logits, then the model's own head
    multi_lora     K adapters on one base;  multi_lora_layers: the wrapped layers
    dropout        masks that follow from a key per token, not from a generator's state

Several processes
    process_group  shards, sums and gathers
    multiprocess   starts the processes and collects their outcomes
    launched       processes that torchrun or accelerate launch started join the training of the first one
"""
