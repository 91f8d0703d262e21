"""The synthetic data of a finished cell, as others can use it: rebuilt (`rebuilt.py`), described (`card.py`), written (`folder.py`)."""
