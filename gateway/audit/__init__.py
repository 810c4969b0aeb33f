"""The log's writing side: sequencing, group commit, checkpoints, payloads."""
