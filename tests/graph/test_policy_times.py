"""What "auto" would choose, beside times that were measured on a machine with an H100.

The times are of bench/results/policy-2026-11-23.md (bench/gpu/policy.py): dense networks n-n-n-10,
each step in a run of its own, and as one of 1000. Nothing runs here; estimates are all that counts.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from netts import TaskGraph, accelerate, parallel
from netts.compiler import calibration
from netts.compiler.cost_constants import DEFAULTS
from netts.compiler.cuda import specialise as cuda_specialise
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS, GpuCosts
from netts.devices.memory import Arena
from netts.graph import Usage
from netts.graph.fusion import fused
from netts.graph.policy import PlanEstimate
from netts.graph.task import Task
from netts.layers.dense import (
    dense_forward,
    dense_grad_bias,
    dense_grad_input,
    dense_grad_weight,
)
from netts.layers.rectifiers import relu_backward, relu_forward
from netts.losses.cross_entropy import cross_entropy_backward, cross_entropy_forward

TABLE = Path(__file__).parents[2] / "bench" / "results" / "policy-2026-11-23.md"
N_CLASSES = 10
STEPS = {"a run": 1, "an epoch": 1000}

CORES = replace(DEFAULTS, cores=16)
CALIBRATED = replace(
    CORES, step=0.015, function=0.15, multiply_add=0.011, call=110.0, thin=0.75, copy=0.1,
    epilogue=0.1, strided_epilogue=0.5, term=0.025, strided_term=0.25, loop=1.65,
    part_seconds=160e-6,
)  # fmt: skip
"""About what was measured there: how the estimates of then changed with it tells."""
CALIBRATED_GPU = replace(
    GPU_DEFAULTS, kernel=1.2e-6, product=3.1e-6, multiply_add=3.9e-14, step=1.1e-12, latency=1.2e-8,
    byte=8.4e-11, call=3.2e-4, call_byte=2.5e-10,
)  # fmt: skip
COSTS = {"defaults": (CORES, GPU_DEFAULTS), "calibrated": (CALIBRATED, CALIBRATED_GPU)}


@accelerate
def descended(parameters, gradients, rate):
    for i in parallel(parameters.shape[0]):
        parameters[i] -= rate * gradients[i]


@dataclass(frozen=True)
class Timed:
    """A pass of a size, and its measured seconds by use and device."""

    is_training: bool
    inputs: int
    batch: int
    seconds: dict[str, dict[str, float]]


def timed() -> list[Timed]:
    """Return the rows of the table."""
    found = []
    for line in TABLE.read_text().splitlines():
        name, *numbers = [cell.strip() for cell in line.strip("| ").split("|")]
        if name not in ("feed forward", "training step"):
            continue
        inputs, batch, *microseconds = map(float, numbers)
        run_cpu, run_gpu, step_cpu, step_gpu = (1e-6 * one for one in microseconds)
        seconds = {
            "a run": {"cpu": run_cpu, "cuda": run_gpu},
            "an epoch": {"cpu": step_cpu, "cuda": step_gpu},
        }
        found.append(Timed(name == "training step", int(inputs), int(batch), seconds))
    return found


def layers(name: str, sizes: tuple[int, ...]) -> tuple[Arena, list]:
    """Return weights and biases that have no memory."""
    arena = Arena(name)
    pairs = itertools.pairwise(sizes)
    return arena, [(arena.reserve(fans, "f4"), arena.reserve(fans[1:], "f4")) for fans in pairs]


def recorded(one: Timed) -> list[Task]:
    """Record a pass as bench/gpu/paper.py does."""
    n, batch, graph = one.inputs, one.batch, TaskGraph()
    (values, weights), (changes, gradients) = (
        layers(name, (n, n, n, N_CLASSES)) for name in ("parameters", "gradients")
    )
    logits, losses = np.zeros((batch, N_CLASSES), "f4"), np.zeros(batch, "f4")
    outputs = [np.zeros((batch, n), "f4"), *(graph.transient((batch, n), "f4") for _ in "12")]
    with graph.recording():
        for number, (weight, bias) in enumerate(weights):
            output = [*outputs[1:], logits][number]
            dense_forward(outputs[number], weight, bias, output)
            if number < 2:
                relu_forward(output, output)
        if one.is_training:
            gradient, targets = graph.transient(logits.shape, "f4"), np.zeros((batch, 1), "i8")
            fixed = Arena("sample weights")
            each, whole = fixed.reserve((batch,), "f4"), fixed.reserve((1,), "f4")
            cross_entropy_forward(logits, targets, losses)
            cross_entropy_backward(logits, targets, losses, each, whole, gradient)
            for number in (2, 1, 0):
                dense_grad_weight(outputs[number], gradient, gradients[number][0])
                dense_grad_bias(gradient, gradients[number][1])
                if number:
                    before = graph.transient((batch, n), "f4")
                    dense_grad_input(gradient, weights[number][0], before)
                    relu_backward(outputs[number], before, before)
                    gradient = before
            descended(values.flat("f4"), changes.flat("f4"), 0.1)
    return fused(graph.recordings["main"])


def judged(costs: GpuCosts) -> list[tuple[str, bool, float]]:
    """Return each case in words, whether the choice is right, and how much longer it takes."""
    found = []
    for one in timed():
        tasks = {"main": recorded(one)}
        for use, steps in STEPS.items():
            device = PlanEstimate(tasks, Usage({"main": steps}), costs).estimates().device
            seconds = one.seconds[use]
            loss = seconds[device] / min(seconds.values())
            found.append((f"{one.is_training} {one.inputs} {one.batch} {use}", loss == 1, loss))
    return found


@pytest.mark.parametrize("name", COSTS)
def test_auto_is_right_in_nine_of_ten_and_never_loses_much(name, monkeypatch):
    """What is asked of it: never 1.3 times slower than the better device."""
    monkeypatch.setattr(cuda_specialise, "cublas_missing", lambda: None)
    processor, gpu = COSTS[name]
    with calibration.using(processor):
        found = judged(gpu)
    wrong = [one for one in found if not one[1]]
    assert len(found) == 112
    assert len(wrong) <= 0.1 * len(found), wrong
    assert max(loss for *_, loss in found) <= 1.3, wrong


def test_estimates_of_steps_come_close_to_the_times(monkeypatch):
    monkeypatch.setattr(cuda_specialise, "cublas_missing", lambda: None)
    away = []
    with calibration.using(CORES):
        for one in timed():
            plan = PlanEstimate({"main": recorded(one)}, Usage({"main": 1000}), GPU_DEFAULTS)
            pairs = zip(
                (plan.on_cpu(), plan.on_gpu()), one.seconds["an epoch"].values(), strict=True
            )
            away.append([math.log(estimate / 1000 / seconds) for estimate, seconds in pairs])
    cpu, gpu = np.array(away).T
    assert np.sqrt(np.mean(cpu**2)) < math.log(1.5)
    assert np.sqrt(np.mean(gpu**2)) < math.log(1.4)
    assert np.abs(cpu).max() < math.log(3)
    assert np.abs(gpu).max() < math.log(2)
