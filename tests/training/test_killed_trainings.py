"""A process that is killed while it trains: the next ones end as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from resumptions import CASES, fit, trainer

from netts.devices.cuda_driver import missing
from netts.training import Checkpoint

HERE = Path(__file__).parent

EPOCHS = {"quick": 300, "long": 700}

TRAIN = """\
import os, sys
import numpy as np
from resumptions import CASES, fit, trainer
from netts.training import Checkpoint
name, epochs, path, device, forks = sys.argv[1:]
def train():
    every = Checkpoint(path, every_steps=3, resume=True)
    one = fit(trainer(CASES[name], every, epochs=int(epochs), device=device), CASES[name])
    np.savez(path + ".npz", loss=one.history_.loss, **one.network.weights())
if forks == "no":
    print(os.getpid(), flush=True)
    train()
else:
    fit(trainer(CASES[name], epochs=1, device=device), CASES[name])  # kernels are compiled
    for line in sys.stdin:  # each asks for a process that trains until it is killed, or done
        child = os.fork()
        if child == 0:
            train()
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def started(name, epochs, path, device, forks):
    command = [sys.executable, "-c", TRAIN, name, str(epochs), str(path), device, forks]
    paths = os.pathsep.join([str(HERE), str(Path.cwd()), *sys.path])
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip


def train_and_kill(name, epochs, path, n_kills, longest):
    """Kill one process after the other, then let one end."""
    moments = random.Random(0)
    with started(name, epochs, path, "cpu", "yes") as parent:
        for k in range(n_kills + 1):
            parent.stdin.write("\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            if k < n_kills:
                time.sleep(moments.uniform(0.01, longest))
                os.kill(child, signal.SIGKILL)
            code = int(parent.stdout.readline())
            assert code == (-signal.SIGKILL if k < n_kills else 0), "the training ended too soon"
        parent.stdin.close()


def assert_ends_alike(name, epochs, path, device="cpu"):
    one = fit(trainer(CASES[name], epochs=epochs, device=device), CASES[name])
    expected = one.network.weights() | {"loss": np.array(one.history_.loss)}
    with np.load(f"{path}.npz") as found:
        assert set(found) == set(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_a_training_that_is_killed_three_times(tmp_path):
    path = tmp_path / "run.ckpt"
    train_and_kill("random layers", EPOCHS["quick"], path, 3, 0.25)
    assert_ends_alike("random layers", EPOCHS["quick"], path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random layers", "one cycle", "streamed"])
def test_a_training_that_is_killed_twenty_times(name, tmp_path):
    path = tmp_path / "run.ckpt"
    train_and_kill(name, EPOCHS["long"], path, 20, 0.3)
    assert_ends_alike(name, EPOCHS["long"], path)


@pytest.mark.gpu
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_training_on_a_gpu_that_is_killed(tmp_path):
    path, moments, epochs = tmp_path / "run.ckpt", random.Random(0), EPOCHS["long"]
    n_kills = 0
    while n_kills < 20:
        with started("random layers", epochs, path, "cuda", "no") as child:
            before = path.stat().st_mtime_ns if path.exists() else 0
            while (path.stat().st_mtime_ns if path.exists() else 0) == before:
                assert child.poll() is None, "the training ended too soon"
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.1))
            child.kill()
            n_kills += 1
    with started("random layers", epochs, path, "cuda", "no") as child:
        child.communicate()
    assert_ends_alike("random layers", epochs, path, "cuda")


def test_a_checkpoint_is_gone_on_from_only_if_it_is_asked_for(tmp_path):
    case, path = CASES["sgd"], tmp_path / "run.ckpt"
    first = fit(trainer(case, Checkpoint(path)), case)
    assert len(first.history_) == 3
    again = fit(trainer(case, Checkpoint(path), epochs=5), case)
    assert again.history_.steps == 25
    done = fit(trainer(case, Checkpoint(path, resume=True), epochs=5), case)
    np.testing.assert_array_equal(done.history_.loss, again.history_.loss)
