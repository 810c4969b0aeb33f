"""Telling people outside: webhooks."""
