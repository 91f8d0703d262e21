"""Simulated studies: whether intervals, verdicts and plans hold what they promise. `make simulate`."""
