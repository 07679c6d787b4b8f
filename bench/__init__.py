"""Benchmarks of netts beside its peers. `python -m bench list` says what they ask."""
