"""Figures of a study: what is drawn is computed elsewhere (`reporting/`), and every figure names its protocol."""
