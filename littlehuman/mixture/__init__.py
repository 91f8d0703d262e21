"""Training sets of human and synthetic points: their design, what is in them by origin, and features of their texts."""
