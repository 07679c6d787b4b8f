"""The task graph: a training step recorded once, planned once, replayed without Python."""

from netts.graph.graph import Plan, TaskGraph

__all__ = ["Plan", "TaskGraph"]
