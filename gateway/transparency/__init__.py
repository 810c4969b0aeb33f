"""The log's proofs, pure: entries, tree, checkpoints, verification. Needs only cryptography."""
