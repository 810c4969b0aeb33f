"""The compliance gateway: no drop of telemetry without a recorded verdict."""
