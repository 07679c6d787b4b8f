"""What a host may do while plans run on a device: random histories, and what is seen of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, parallel
from netts.devices.memory import Arena


@accelerate
def added(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + y[i]


def arena(*pieces):
    """Return an allocated arena of float64 pieces and its views, filled with 0, 1, 2, ..."""
    whole = Arena("arena")
    views = [whole.reserve((n,), np.float64) for n in pieces]
    whole.allocate()
    for view in views:
        view.array[...] = np.arange(view.size)
    return whole, views


PIECES = 4
acts = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 3), st.integers(1, 3)),
    st.tuples(st.just("write"), st.integers(0, PIECES - 1), st.integers(-3, 3)),
    st.tuples(st.just("read"), st.integers(0, PIECES - 1), st.just(0)),
    st.tuples(st.just("look"), st.integers(0, PIECES - 1), st.just(0)),
    st.tuples(st.just("host"), st.integers(0, 3), st.just(0)),
)


def history(device, acts):
    """Do things to two arenas and an array of the caller's; return all that was seen."""
    first, second = arena(3, 3)[1], arena(3, 3)[1]
    views, own = [*first, *second], np.arange(3.0)
    graph = TaskGraph()
    between = graph.transient((3,), float)
    programs = [
        [(added, views[0], views[2], views[1])],
        [(added, views[1], views[1], between), (added, between, views[3], views[2])],
        [(added, own, views[3], views[3])],
        [(added, views[0], own, own)],
    ]
    for number, calls in enumerate(programs):
        with graph.recording(str(number)):
            for kernel, *arguments in calls:
                kernel(*arguments)
    plans = {"run": graph.compile(device=device), "host": graph.compile(device="cpu")}
    seen = []
    for act, which, number in acts:
        if act in plans:
            plans[act].run(max(number, 1), str(which))
            seen.append(own.tolist())
        elif act == "write":
            views[which].array[0] = number
        else:
            view = views[which]
            seen.append((view.read() if act == "read" else view.array).tolist())
    return [*seen, *(view.read().tolist() for view in views)]


HISTORIES = st.lists(acts, max_size=12)
