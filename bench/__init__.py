"""Benchmarks. Each runs the whole product, prints a table, and writes bench/out/<name>.json."""
