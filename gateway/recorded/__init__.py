"""Verdicts as the log recorded them, read back: classes, weights and what they were given under."""
