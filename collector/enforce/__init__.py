"""Where verdicts are applied: decisions, obligations on kept points, and the ledger."""
