"""The port to the Rego engine, and its adapter over the real Open Policy Agent."""
