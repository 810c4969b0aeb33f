"""Sealing: the key-service port and its adapters, envelope encryption."""
