"""The configuration of one cell: its type, validation, run id, and the dataset that it is tested on."""
