"""The run folder: its files, the status of a run, and experiment trackers."""
