"""Figures of a study. All numbers come from `study/` and `economics/`; every figure names its protocol."""
