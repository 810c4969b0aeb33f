"""The gateway's decisions: floor, windows, leases, verdict cache, service."""
