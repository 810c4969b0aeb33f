"""Where process metrics come from."""
