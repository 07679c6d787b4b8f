"""The experiment of the TornadoVM paper at our scale: dense networks on a GPU and on one core.

    PYTHONPATH=. python bench/gpu/paper.py --seconds 240
    PYTHONPATH=. python bench/gpu/paper.py --device cpu --tiny

Networks of n-n-n-10, float32, ReLU. "Feed forward" takes a batch and gives its logits; "training
step" is feed forward, softmax cross-entropy, back propagation and a step of gradient descent, and
gives the losses. Weights stay where they are. Speed-ups are over netts's own code for one core,
with contractions by single-threaded BLAS and as plain loops:

- kernels: the time of a step, what a run of many takes more than a run of one;
- end to end: a run of one step, its batch going up and its results coming down.

A processor's time that would exceed a limit is found from fewer rows, linearly, and marked by "~".
Speed-ups of the paper: 88.5x by kernel, 6.45x end to end.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from isolation import Worker, WorkerError
from report import Budget, in_words, machine, output_folder, quotient, save

from bench.markdown import duration, ratio, table
from netts import TaskGraph, accelerate, parallel
from netts.devices.memory import Arena
from netts.layers.dense import (
    dense_forward,
    dense_grad_bias,
    dense_grad_input,
    dense_grad_weight,
)
from netts.layers.rectifiers import relu_backward, relu_forward
from netts.losses.cross_entropy import cross_entropy_backward, cross_entropy_forward

N_CLASSES = 10
PAPER_KERNEL, PAPER_END_TO_END = 88.5, 6.45

INPUTS = (4, 16, 64, 256, 1024, 4096)
BATCHES = (1, 16, 256, 4096)
TINY_INPUTS, TINY_BATCHES = (4, 16, 64), (1, 16)
CHECKED = ((64, 16), (256, 256))

REPEATS, MOST_REPEATS = 5, 50
LONG_SECONDS = 1.0
"""A run that takes longer is timed once."""
ROUND_SECONDS = 0.05
MOST_STEPS = 1000
ANSWER_SECONDS = 120.0

SPEEDS = {"loops": 1.5e9, "blas": 6e10, "cores": 3e11}
LIMITS = {"loops": 1.0, "blas": 5.0, "cores": 5.0}
"""Operations per second, roughly, to tell whether a case is too long, and seconds that are."""


@accelerate
def descend(parameters, gradients, rate):
    """Step down the gradient."""
    for i in parallel(parameters.shape[0]):
        parameters[i] -= rate * gradients[i]


@dataclass(frozen=True)
class Pass:
    """What is timed.

    Attributes
    ----------
    products
        Matrix products for each layer.
    """

    name: str
    products: int


PASSES = (Pass("feed forward", 1), Pass("training step", 3))


def operations(inputs: int, batch: int, one: Pass) -> float:
    """Return the floating-point operations of the matrix products."""
    return 2.0 * one.products * batch * inputs * (2 * inputs + N_CLASSES)


class Graph:
    """A network's pass as a task graph over a batch, which is the caller's, and weights."""

    def __init__(self, inputs: int, batch: int, is_training: bool, rate: float) -> None:
        self.sizes = (inputs, inputs, inputs, N_CLASSES)
        generator = np.random.default_rng(0)
        self.x = generator.standard_normal((batch, inputs), np.float32)
        self.targets = np.arange(batch, dtype=np.int64).reshape(-1, 1) % N_CLASSES
        self.logits = np.zeros((batch, N_CLASSES), np.float32)
        self.losses = np.zeros(batch, np.float32)
        self.parameters, self.layers = self._arena("parameters")
        self.gradients, self.grad_layers = self._arena("gradients")
        weights = Arena("sample weights")
        self.weights = weights.reserve((batch,), np.float32), weights.reserve((1,), np.float32)
        for arena in (self.parameters, self.gradients, weights):
            arena.allocate()
        self.weights[0].array[...] = 1
        self.weights[1].array[...] = batch
        for weight, _ in self.layers:
            scale = np.float32(weight.shape[0] ** -0.5)
            weight.array[...] = generator.standard_normal(weight.shape, np.float32) * scale
        self.graph = TaskGraph()
        with self.graph.recording():
            outputs = self._forward()
            if is_training:
                self._backward(outputs)
                descend(self.parameters.flat(np.float32), self.gradients.flat(np.float32), rate)

    def _arena(self, name: str) -> tuple[Arena, list[tuple[Any, Any]]]:
        arena = Arena(name)
        layers = [
            (arena.reserve(fans, np.float32), arena.reserve(fans[1:], np.float32))
            for fans in zip(self.sizes, self.sizes[1:], strict=False)
        ]
        return arena, layers

    def _forward(self) -> list[Any]:
        outputs: list[Any] = [self.x]
        for number, (weight, bias) in enumerate(self.layers):
            is_last = number == len(self.layers) - 1
            shape = (len(self.x), weight.shape[1])
            output = self.logits if is_last else self.graph.transient(shape, np.float32)
            dense_forward(outputs[-1], weight, bias, output)
            if not is_last:
                relu_forward(output, output)
            outputs.append(output)
        return outputs

    def _backward(self, outputs: list[Any]) -> None:
        gradient = self.graph.transient(self.logits.shape, np.float32)
        cross_entropy_forward(self.logits, self.targets, self.losses)
        cross_entropy_backward(self.logits, self.targets, self.losses, *self.weights, gradient)
        for number in reversed(range(len(self.layers))):
            grad_weight, grad_bias = self.grad_layers[number]
            dense_grad_weight(outputs[number], gradient, grad_weight)
            dense_grad_bias(gradient, grad_bias)
            if number:
                before = self.graph.transient(outputs[number].shape, np.float32)
                dense_grad_input(gradient, self.layers[number][0], before)
                relu_backward(outputs[number], before, before)
                gradient = before


class Engine:
    """Runs passes on a device, in a process of its own."""

    def __init__(self, kind: str, device: str) -> None:
        self.kind, self.device = kind, device

    def values(self, inputs: int, batch: int, one: Pass) -> list[np.ndarray]:
        """Return what a pass computes: logits, losses and changed weights."""
        made = Graph(inputs, batch, one.products > 1, 0.1)
        self._compile(made).run()
        return [made.logits, made.losses, np.array(made.parameters.flat(np.float32))]

    def measure(self, inputs: int, batch: int, one: Pass) -> dict[str, Any]:
        """Return the seconds of a step of many and of a run of one step, and how they were got."""
        expected = operations(inputs, batch, one) / SPEEDS.get(self.kind, 1e15)
        limit = LIMITS.get(self.kind, 1.0)
        rows = batch if expected <= limit else max(int(batch * limit / expected), 2)
        if rows >= batch:
            return self._measure(inputs, batch, one) | {"rows": batch}
        half, whole = (self._measure(inputs, n, one) for n in (rows // 2, rows))
        found: dict[str, Any] = {"rows": rows}
        for key in ("kernels", "end_to_end"):
            each = max(whole[key] - half[key], 0.0) / (rows - rows // 2)
            found[key] = whole[key] + each * (batch - rows)
        return found

    def chosen(self, inputs: int, batch: int, one: Pass) -> str:
        """Return the device that "auto" takes."""
        return Graph(inputs, batch, one.products > 1, 1e-9).graph.compile(device="auto").device

    def _measure(self, inputs: int, batch: int, one: Pass) -> dict[str, float]:
        plan = self._compile(Graph(inputs, batch, one.products > 1, 1e-9))
        first = _seconds(lambda: plan.run(1))
        if first > LONG_SECONDS and self.device != "cuda":
            return {"kernels": first, "end_to_end": first}
        once = _median(lambda: plan.run(1), MOST_REPEATS)
        steps = min(max(int(ROUND_SECONDS / once), 4), MOST_STEPS)
        many = _median(lambda: plan.run(1 + steps), REPEATS)
        return {"kernels": max(many - once, 0.0) / steps, "end_to_end": once}

    def _compile(self, made: Graph) -> Any:
        with _by_loops() if self.kind == "loops" else contextlib.nullcontext():
            return made.graph.compile(device=self.device)


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _median(call: Any, most: int) -> float:
    """Return the median time of some calls, of fewer where they are long."""
    found = [_seconds(call)]
    while len(found) < most and (len(found) < REPEATS or sum(found) < ROUND_SECONDS):
        found.append(_seconds(call))
        if sum(found) > LONG_SECONDS:
            break
    return statistics.median(found)


@contextlib.contextmanager
def _by_loops():  # type: ignore[no-untyped-def]
    """Leave every contraction to its loops."""
    from netts.compiler import cost

    with patch.object(cost, "is_direct_faster", lambda _plan: True):
        yield


class Engines:
    """A process for each way to run; `gpu` is the device in question."""

    def __init__(self, device: str) -> None:
        one = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        settings = {"gpu": (device, {}), "blas": ("cpu", one), "loops": ("cpu", one),
                    "cores": ("cpu", {})}  # fmt: skip
        self.workers = {
            kind: Worker(Engine, kind, place, environment=environment)
            for kind, (place, environment) in settings.items()
        }

    def ask(self, kind: str, method: str, *arguments: Any) -> Any:
        return self.workers[kind].ask(method, ANSWER_SECONDS, *arguments)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()


def check(engines: Engines, inputs: int, batch: int) -> dict[str, Any]:
    """Return how far the device is from one core, relative to the largest value."""
    worst = 0.0
    for one in PASSES:
        found, law = (engines.ask(kind, "values", inputs, batch, one) for kind in ("gpu", "blas"))
        for mine, other in zip(found, law, strict=True):
            away = np.abs(mine - other).max() / max(float(np.abs(other).max()), 1e-30)
            worst = max(worst, float(away)) if np.isfinite(away) else float("inf")
    return {"inputs": inputs, "batch": batch, "error": worst, "is_right": worst < 1e-4}


def run_case(engines: Engines, inputs: int, batch: int, one: Pass) -> dict[str, Any]:
    result: dict[str, Any] = {"inputs": inputs, "batch": batch, "pass": one.name}
    for kind in engines.workers:
        try:
            result[kind] = engines.ask(kind, "measure", inputs, batch, one)
        except WorkerError as error:
            result[f"{kind} failure"] = str(error)
    try:
        result["auto"] = engines.ask("gpu", "chosen", inputs, batch, one)
    except WorkerError as error:
        result["auto failure"] = str(error)
    return result


def speed_up(result: dict[str, Any], over: str, key: str) -> float | None:
    """Return how many times faster the device is than a way to use the processor."""
    ours, theirs = result.get("gpu"), result.get(over)
    return quotient(theirs and theirs[key], ours and ours[key])


def results_table(results: list[dict[str, Any]]) -> str:
    header = ["pass", "inputs", "batch", "GPU kernels", "GPU end to end", "one core, BLAS",
              "one core, loops", "kernels / BLAS", "end to end / BLAS", "kernels / loops",
              "end to end / loops", "all cores", "auto"]  # fmt: skip
    return table(header, map(_row, results))


def _row(result: dict[str, Any]) -> list[Any]:
    gpu = result.get("gpu") or {}
    speeds = [speed_up(result, over, key) for over in ("blas", "loops") for key in _KEYS]
    processors = [_processor_cell(result, kind) for kind in ("blas", "loops")]
    return [
        result["pass"], result["inputs"], result["batch"],
        duration(gpu.get("kernels")) or "failed", duration(gpu.get("end_to_end")),
        *processors, *map(ratio, speeds), _processor_cell(result, "cores"),
        result.get("auto", "failed"),
    ]  # fmt: skip


_KEYS = ("kernels", "end_to_end")


def _processor_cell(result: dict[str, Any], kind: str) -> str:
    found = result.get(kind)
    if found is None:
        return "failed"
    return ("~" if found["rows"] < result["batch"] else "") + duration(found["end_to_end"])


def conclusions(results: list[dict[str, Any]]) -> list[str]:
    """Return the greatest speed-ups, where the GPU begins to pay, and how "auto" did."""
    lines = []
    for key, floor in zip(_KEYS, (PAPER_KERNEL, PAPER_END_TO_END), strict=True):
        known = [(speed_up(one, "blas", key) or 0.0, one) for one in results]
        best, where = max(known, key=lambda pair: pair[0], default=(0.0, None))
        if where is not None:
            lines.append(
                f"greatest {key.replace('_', ' ')} over BLAS: {best:.1f}x ({where['pass']}, "
                f"{where['inputs']} inputs, batch {where['batch']}); the paper's {floor}x "
                f"{'exceeded' if best > floor else 'NOT REACHED'}"
            )
    for key in _KEYS:
        lines += [
            f"GPU pays ({key.replace('_', ' ')}, {one.name}), against all cores: "
            f"{_pays(results, one, key)}"
            for one in PASSES
        ]
        lines.append(_auto(results, key))
    return lines


def _pays(results: list[dict[str, Any]], one: Pass, key: str) -> str:
    found = []
    for batch in sorted({result["batch"] for result in results}):
        ours = [r for r in results if r["batch"] == batch and r["pass"] == one.name]
        from_here = [r["inputs"] for r in ours if (speed_up(r, "cores", key) or 0.0) > 1]
        found.append(f"batch {batch} from {min(from_here)} inputs" if from_here
                     else f"batch {batch} never")  # fmt: skip
    return ", ".join(found)


def _auto(results: list[dict[str, Any]], key: str) -> str:
    costs = []
    for result in results:
        if not all(result.get(kind) for kind in ("gpu", "cores", "auto")):
            continue
        times = {"cuda": result["gpu"][key], "cpu": result["cores"][key]}
        chosen = times.get(result["auto"])
        if chosen:
            costs.append(chosen / min(times.values()))
    right = sum(cost == 1.0 for cost in costs)
    worst = max(costs, default=float("nan"))
    within = sum(cost <= 1.3 for cost in costs)
    return (
        f'"auto" ({key.replace("_", " ")}): the faster device in {right} of {len(costs)}, within '
        f"1.3x of it in {within}, at worst {worst:.2f}x"
    )


def plot(results: list[dict[str, Any]], path: Path) -> str:
    """Draw speed-ups by inputs; return what became of it."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return "no plot: matplotlib is not installed"
    figure, axes = pyplot.subplots(1, len(PASSES), figsize=(11, 4.2), sharey=True)
    for panel, one in zip(axes, PASSES, strict=True):
        for number, batch in enumerate(sorted({result["batch"] for result in results})):
            ours = [r for r in results if r["batch"] == batch and r["pass"] == one.name]
            for key, style in zip(_KEYS, ("-", "--"), strict=True):
                points = [(r["inputs"], speed_up(r, "blas", key)) for r in ours]
                known = [point for point in points if point[1]]
                if known:
                    label = f"batch {batch}, {key.replace('_', ' ')}"
                    panel.loglog(*zip(*known, strict=True), style, marker="o", markersize=3,
                                 color=f"C{number}", label=label)  # fmt: skip
        panel.axhline(1, color="grey", linewidth=0.8)
        for value in (PAPER_KERNEL, PAPER_END_TO_END):
            panel.axhline(value, color="grey", linewidth=0.8, linestyle=":")
        panel.set(title=one.name, xlabel="inputs n of n-n-n-10")
        inputs = sorted({result["inputs"] for result in results})
        panel.set_xticks(inputs, map(str, inputs))
        panel.minorticks_off()
    axes[0].set_ylabel("times faster than one core, BLAS")
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    return f"plot: {path.name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--tiny", action="store_true", help="small sizes only")
    parser.add_argument("--plot", type=Path, help="where to, if not to $OUT/paper.png")
    options = parser.parse_args()
    budget, engines = Budget(options.seconds), Engines(options.device)
    inputs, batches = (TINY_INPUTS, TINY_BATCHES) if options.tiny else (INPUTS, BATCHES)
    checks, results = [], []
    try:
        for sizes in CHECKED:
            try:
                checks.append(check(engines, *sizes))
            except WorkerError as error:
                checks.append({"sizes": sizes, "is_right": False, "failure": in_words(error)})
            print(f"check: {checks[-1]}", flush=True)
        # The largest first, as it is what the issue asks for; then all from the smallest on, as a
        # budget cuts off the end, and what comes before it has to show where the GPU begins to pay.
        *others, largest = sorted((n, b) for n in inputs for b in batches)
        for n, batch in [largest, *others]:
            for one in PASSES:
                if budget.allows(f"{one.name} {n} x {batch}", 40.0 if n * batch > 2**22 else 0.0):
                    results.append(run_case(engines, n, batch, one))
                    print("; ".join(map(str, _row(results[-1]))), flush=True)
    finally:
        engines.close()
    results.sort(key=lambda r: (r["pass"], r["inputs"], r["batch"]))
    text, folder = machine(), output_folder()
    save("paper", {"machine": text, "checks": checks, "results": results,
                   "skipped": budget.skipped})  # fmt: skip
    print("", text, f"budget: {budget}", "", results_table(results), "", sep="\n")
    print(*conclusions(results), sep="\n")
    path = options.plot or (folder and folder / "paper.png")
    print(plot(results, path) if path and results else "no plot: no path for it")
    failures = {f"{one['inputs']} x {one['batch']}, {one['pass']}, {key}: {one[key]}"
                for one in results for key in one if key.endswith("failure")}  # fmt: skip
    print(*sorted(failures)[:20], sep="\n")
    return 0 if results and not failures and all(one["is_right"] for one in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
