"""Ratios within one alternated run, results compared first. Run with ``python -m benchmarks``."""
