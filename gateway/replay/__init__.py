"""Recorded verdicts given again, offline, and compared (P9)."""
