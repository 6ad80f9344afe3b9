"""Measures Hardpoint beside the reference and beside code written by hand: ``python -m benchmarks``, or ``make bench``."""
