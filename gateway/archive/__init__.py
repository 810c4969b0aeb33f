"""The archive: what was signed, written once to a place of its own and kept until a date
(docs/formats.md section 16)."""
