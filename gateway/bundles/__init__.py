"""Policy bundles: read, hash, accept, activate."""
