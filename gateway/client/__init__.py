"""How people's commands talk to the gateway: over mutual TLS, as whom their certificate names."""
