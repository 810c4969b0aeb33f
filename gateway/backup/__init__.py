"""Copies of the log's database, and putting one back without forking the log (docs/formats.md
section 18)."""
