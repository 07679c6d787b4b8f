"""What a task graph says of a device that kernels run on and graphs do not."""

from __future__ import annotations

import numpy as np
import pytest

from netts import TaskGraph
from netts.errors import DeviceError
from netts.graph.replay import make_replay
from netts.losses.squared_error import copy_values


def test_a_graph_refuses_cuda_and_says_what_runs():
    graph = TaskGraph()
    with graph.recording("main"):
        copy_values(np.ones((2, 2)), np.zeros((2, 2)))
    with pytest.raises(DeviceError, match="do not run on 'cuda' yet: choose 'cpu' or 'reference'"):
        make_replay("cuda", graph.recordings["main"], ())
