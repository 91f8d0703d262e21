"""The configuration of one cell: types, checks, identity, and the dataset that it is tested on."""
