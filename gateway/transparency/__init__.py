"""The tamper-evident log, seen from outside: entries, tree, checkpoints, proofs, verification.

Pure: imports the standard library, `cryptography` and the gateway's leaf modules (canonical, clock,
errors), so that an auditor runs it with nothing else installed (`python -m gateway.transparency`).
The bytes are docs/formats.md section 9.
"""
