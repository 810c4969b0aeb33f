"""One file for an outside auditor: the log as a tree, proofs, rows, policies, public keys, and the
stand-alone verifier, with a page that says how to use it."""
