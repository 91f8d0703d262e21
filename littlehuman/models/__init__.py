"""Models and tokenizers: weights on disk, devices, chat generation. This package and `training` are the only ones that import torch."""
