"""Mixtures of human and synthetic points: which ids are synthetic, what was rejected, and features of the texts."""
