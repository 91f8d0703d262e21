"""The run folder: its files, the status of the run, and experiment trackers."""
