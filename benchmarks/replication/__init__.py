"""The replication of arXiv 2410.13098 with open models: its runs, its results as files, its analysis and its check."""
