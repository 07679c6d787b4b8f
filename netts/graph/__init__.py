"""The task graph: a training step recorded once, planned once, replayed without Python."""

from netts.graph.drawing import Drawing
from netts.graph.graph import TaskGraph
from netts.graph.plan import Plan
from netts.graph.policy import Usage
from netts.graph.profile import Profile
from netts.graph.task import Hazard, Task, hazards

__all__ = ["Drawing", "Hazard", "Plan", "Profile", "Task", "TaskGraph", "Usage", "hazards"]
