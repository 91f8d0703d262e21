"""Figures of a study: what is drawn is computed elsewhere (`study/`, `worth/`), and every figure names its protocol."""
