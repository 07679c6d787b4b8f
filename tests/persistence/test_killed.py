"""A process that is killed while it saves: the old file is there or the new one, and whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import netts
from netts import Network, layers

N_KILLS = 20

SAVE_FOR_EVER = """\
import os, sys, netts
old, new = netts.load(sys.argv[1]), netts.load(sys.argv[2])
old.save(sys.argv[3])
for line in sys.stdin:  # each asks for a process that saves until it is killed
    child = os.fork()
    while child == 0:
        new.save(sys.argv[3])
        old.save(sys.argv[3])
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def network(units, seed):
    return Network([layers.Dense(units), layers.Dense(2)]).build(64, random_state=seed)


def kill_while_saving(parent, seconds):
    parent.stdin.write("\n")
    parent.stdin.flush()
    child = int(parent.stdout.readline())
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert parent.stdout.readline() == "dead\n"


@pytest.fixture(name="saved", scope="module")
def two_models(tmp_path_factory):
    """An old and a new model of a megabyte, which take some milliseconds to write."""
    directory = tmp_path_factory.mktemp("models")
    paths = directory / "old.netts", directory / "new.netts"
    for path, units, seed in zip(paths, (4096, 4100), (0, 1), strict=True):
        network(units, seed).save(path)
    return paths


def test_killed_at_any_moment(saved, tmp_path):
    target = tmp_path / "model.netts"
    known = {path.read_bytes() for path in saved}
    seeds = random.Random(0)
    run = [sys.executable, "-c", SAVE_FOR_EVER, *map(str, saved), str(target)]
    with subprocess.Popen(
        run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        for _ in range(N_KILLS):
            kill_while_saving(parent, seeds.uniform(0, 0.05))
            assert target.read_bytes() in known
            assert netts.load(target).layers
        parent.stdin.close()
    left = {path.name for path in tmp_path.iterdir()} - {"model.netts"}
    assert all(name.startswith(".netts-") for name in left)
    network(3, 2).save(target)
    assert netts.load(target).layers == network(3, 2).layers
