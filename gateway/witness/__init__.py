"""A witness of transparency logs (https://c2sp.org/tlog-witness): it remembers the newest tree of
each log that it is told of and cosigns only what extends it. Knows nothing of the gateway."""
