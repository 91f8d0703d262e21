"""`hydra/launcher=fused`: a Hydra launcher that trains the cells of a sweep together (see `littlehuman/fused.py`)."""
