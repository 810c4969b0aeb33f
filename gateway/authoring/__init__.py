"""What authors of policies use: checks, tests, explanations, control pages, the register."""
