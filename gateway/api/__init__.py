"""HTTP: routes, limits, problem documents."""
