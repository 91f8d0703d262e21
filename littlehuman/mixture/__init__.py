"""Training sets of human and synthetic points: their design, their audit, and features of their texts."""
