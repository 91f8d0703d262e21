"""How much human data do you need? Mix human and synthetic examples, fine-tune, measure.

Read `pipeline.py` first: one experiment with the paper's method (arXiv 2410.13098), from top to bottom.
"""

__version__ = "0.1.0"
