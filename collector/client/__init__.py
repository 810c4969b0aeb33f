"""How the collector asks: the gateway's client, the leases it was given, the checkpoints it saw."""
