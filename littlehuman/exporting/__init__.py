"""Export of a cell's synthetic data as a dataset: rebuild its texts, write the data card, write the folder."""
