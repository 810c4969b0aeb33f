"""What the log says, for people and for other tools: entries flattened to rows, chosen, and written
as OCSF events or CSV. Nothing here verifies; each row names its place in the log, so that whoever
doubts it can."""
