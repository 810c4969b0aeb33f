"""The collector: scrapes processes and drops nothing without a live lease from the gateway."""
