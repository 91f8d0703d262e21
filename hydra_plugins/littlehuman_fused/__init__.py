"""`hydra/launcher=fused`: a Hydra launcher that trains the cells of a sweep together (see `execution.fused`)."""
