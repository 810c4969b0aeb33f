"""What both sides of the wire share: proposals, verdicts, leases, classes, patterns, documents."""
