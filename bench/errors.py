"""What is wrong with what a user of `python -m bench` gave it."""

from __future__ import annotations


class BenchError(ValueError):
    """A question, a file or a comparison that makes no sense; says which and the way out."""
