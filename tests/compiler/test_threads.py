"""Threads and processes: the same bits on one core and on all, at once and after a fork."""

from __future__ import annotations

import contextlib
import importlib
import json
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
from chosen_plans import as_if_large
from generated_code import run_generated
from processes import run

import netts
from netts import Network, TaskGraph, Trainer, accelerate, layers, parallel
from netts.compiler import engine
from netts.compiler.blas_library import blas_library
from netts.errors import BoundsError
from netts.training import Callback

N = 100_000  # of a sum that is worth splitting
LONG = 10**9  # steps of a tiny plan: about a minute, should nothing stop them


@accelerate
def summed(x, out):
    total = 0.0
    largest = x[0]
    for i in parallel(x.shape[0]):
        total += x[i] * x[i]
        largest = max(largest, x[i])
    out[0] = total
    out[1] = largest


@accelerate
def row_sums(x, out):
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += netts.exp(x[i, j])
        out[i] = total


@accelerate
def histogram(index, weight, out):
    for i in parallel(index.shape[0]):
        out[index[i]] += weight[i]


@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


def whole(shape, dtype, seed=0):
    """Small whole numbers, whose products and sums are exact."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# ------------------------------------------------------------ the number of threads


def test_a_call_keeps_its_scratch_whatever_another_one_takes_meanwhile(monkeypatch):
    x, out = normal((N,), np.float64), np.zeros(2)
    specialised = summed.specialise((x, out))
    assert specialised.scratch_bytes
    replay = engine.replay

    def interrupted(*arguments, **options):  # as by a signal whose handler calls a kernel
        owner = weakref.ref(engine.scratch(specialised.scratch_bytes)[1])
        engine.scratch(2 * specialised.scratch_bytes + 4096)
        assert owner() is not None
        return replay(*arguments, **options)

    monkeypatch.setattr(engine, "replay", interrupted)
    specialised.run((x, out))
    np.testing.assert_allclose(out[0], (x * x).sum())


THREADS = (1, 2, 3, 5, 64, 300)


def results_by_threads(kernel, inputs, outputs):
    """Run a kernel with each number of threads; the outputs are zero before."""
    found = []
    for threads in THREADS:
        arrays = [np.zeros_like(one) for one in outputs]
        arguments = (*inputs, *arrays)
        kernel.specialise(arguments).run(arguments, threads=threads)
        found.append(arrays)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 63, 64, 8191, 8192, 10_007, N])
def test_a_sum_has_the_same_bits_on_any_number_of_threads(n, dtype):
    first, *others = results_by_threads(summed, [normal(n, dtype)], [np.zeros(2, dtype)])
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_inside_iterations_have_the_same_bits_on_any_number_of_threads(dtype):
    x = normal((97, 31), dtype)
    first, *others = results_by_threads(row_sums, [x], [np.zeros(97, dtype)])
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_at_indices_from_data_have_the_same_bits_on_any_number_of_threads(dtype):
    index = np.random.default_rng(1).integers(0, 7, 5000)
    inputs = [index, normal(5000, dtype)]
    first, *others = results_by_threads(histogram, inputs, [np.zeros(7, dtype)])
    for other in others:
        np.testing.assert_array_equal(other, first)


@accelerate
def summed_and_scattered(x, index, out, sums):
    total = 0.0
    for i, j in parallel(x.shape[0], x.shape[1]):
        total += x[i, j]
        out[index[i], j] += x[i, j]
    sums[0] = total


def test_a_sum_beside_sums_at_indices_from_data_does_not_divide_those():
    x, out, sums = np.ones((5, 2)), np.zeros((2, 2)), np.zeros(1)
    with as_if_large():
        run_generated(summed_and_scattered, (x, np.array([0, 1, 0, 1, 0]), out, sums), 3)
    assert out.tolist() == [[3, 3], [2, 2]]
    assert sums == 10


@pytest.mark.parametrize("rows", [1, 3, 64, 101])
def test_an_exact_matrix_product_is_the_same_on_any_number_of_threads(rows):
    inputs = [whole((rows, 33), np.float32), whole((33, 17), np.float32, seed=1)]
    outputs = [np.zeros((rows, 17), np.float32)]
    for (found,) in results_by_threads(product, inputs, outputs):
        np.testing.assert_array_equal(found, inputs[0] @ inputs[1])


def test_an_index_error_is_found_whichever_thread_meets_it():
    index = np.zeros(10_000, np.int64)
    for position in (0, 4999, 9999):
        index[position] = 7
        arguments = (np.ones(7), index, np.zeros(10_000))
        for threads in THREADS:
            with pytest.raises(BoundsError, match="is 7, which is outside of the axis"):
                gathered.specialise(arguments).run(arguments, threads=threads)
        index[position] = 6
        gathered.specialise(arguments).run(arguments, threads=3)
        assert arguments[2].tolist() == [1.0] * 10_000


# ------------------------------------------------------------ Python threads


class Work:
    """A plan of reductions and products over arrays of its own, big enough to be split."""

    def __init__(self, seed):
        x = normal(N, np.float32, seed)
        a, b = normal((200, 100), np.float32, seed), normal((100, 150), np.float32, seed + 1)
        self.sums, self.out = np.zeros(2, np.float32), np.zeros((200, 150), np.float32)
        graph = TaskGraph()
        with graph.recording():
            product(a, b, self.out)
            summed(x, self.sums)
        self.plan = graph.compile(device="cpu")

    def run(self, steps):
        assert self.plan.run(steps) == steps
        return self.sums.tolist(), self.out.copy()


def test_plans_that_run_at_once_give_the_bits_of_plans_that_run_alone():
    alone = [Work(seed).run(1) for seed in range(3)]
    works = [Work(seed) for seed in range(3)]
    barrier = threading.Barrier(3, timeout=60)

    def together(work):
        barrier.wait()
        return work.run(40)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(together, works))
    for (sums, out), (expected_sums, expected_out) in zip(found, alone, strict=True):
        assert sums == expected_sums
        np.testing.assert_array_equal(out, expected_out)


def test_a_thread_pool_of_eager_calls_gives_the_results_of_one_thread():
    sizes = [1, 100, 8192, N] * 6

    def total(seed):
        out = np.zeros(2)
        summed.on("cpu")(normal(sizes[seed], np.float64, seed), out)
        return out.tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(total, range(len(sizes))))
    assert found == [total(seed) for seed in range(len(sizes))]


def test_threads_that_compile_one_kernel_at_once_get_it_right():
    @accelerate
    def cubed(x, out):
        for i in parallel(out.shape[0]):
            out[i] = x[i] * x[i] * x[i]

    barrier = threading.Barrier(4, timeout=60)

    def run_one(n):
        out = np.zeros(n + 1)
        barrier.wait()
        cubed(np.arange(n + 1.0), out)
        return out[-1]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run_one, range(4))) == [0, 1, 8, 27]


def test_a_plan_runs_without_the_gil():
    """Another thread sees the steps go by, while this one is inside one call."""

    @accelerate
    def count(steps):
        for i in parallel(1):
            steps[i] += 1

    steps = np.zeros(1, np.int64)
    graph = TaskGraph()
    with graph.recording():
        count(steps)
    plan = graph.compile(device="cpu")
    seen = []

    def watch():
        deadline = time.monotonic() + 60
        while len(set(seen)) < 3 and time.monotonic() < deadline:
            seen.append(int(steps[0]))
        plan.stop()

    watcher = threading.Thread(target=watch)
    with pytest.MonkeyPatch.context() as patch:
        # Python gets no time of its own between the steps: one call runs them all.
        patch.setattr("netts.graph.replay.INTERRUPT_SECONDS", 1e9)
        plan.run(10)
        watcher.start()
        done = plan.run(LONG)
    watcher.join()
    assert len(set(seen)) >= 3
    assert 0 < done < LONG


# ------------------------------------------------------------ BLAS


@contextlib.contextmanager
def blas_on(threads):
    """Let the BLAS that is called use so many threads; yield what returns how many it uses."""
    libraries = blas_library().controllers
    before = [one.num_threads for one in libraries]
    for one in libraries:
        one.set_num_threads(threads)
    try:
        yield lambda: [one.num_threads for one in libraries]
    finally:
        for one, number in zip(libraries, before, strict=True):
            one.set_num_threads(number)


needs_threaded_blas = pytest.mark.skipif(
    not blas_library().controllers,
    reason="no BLAS whose threads can be set",
)


def watched(monkeypatch, threads_of):
    """Return a list that gets the threads of BLAS inside every replay."""
    seen = []
    original = engine._walk()

    def walk(*arguments):
        seen.append(threads_of())
        return original(*arguments)

    monkeypatch.setattr(engine, "_walk", lambda: walk)
    return seen


@needs_threaded_blas
@pytest.mark.parametrize("where", ["in the thread that set its number", "in another thread"])
def test_blas_has_one_thread_while_a_plan_runs_and_its_own_again_after(where, monkeypatch):
    work = Work(0)
    with blas_on(2) as threads_of:
        before = threads_of()
        seen = watched(monkeypatch, threads_of)
        if where == "in another thread":
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work.run, 3).result()
        else:
            work.run(3)
        assert threads_of() == before
        product.on("cpu")(np.ones((40, 40)), np.ones((40, 40)), np.zeros((40, 40)))
        assert threads_of() == before
    assert seen
    assert set(map(tuple, seen)) == {(1,) * len(before)}


@needs_threaded_blas
def test_blas_has_one_thread_through_many_runs(monkeypatch):
    work = Work(0)
    with blas_on(2) as threads_of:
        before = threads_of()
        with work.plan.many_runs():
            assert set(threads_of()) == {1}
            work.run(1)
            assert set(threads_of()) == {1}
        assert threads_of() == before


@needs_threaded_blas
@pytest.mark.parametrize(("callbacks", "threads"), [((), 1), ((Callback(),), 2)])
def test_blas_is_held_through_a_fit_unless_callbacks_run_in_between(callbacks, threads):
    seen = []

    def order(n_samples):
        seen.append(threads_of())
        return np.arange(n_samples)

    trainer = Trainer(
        Network([layers.Dense(2)]), epochs=3, shuffle=order, callbacks=callbacks, device="cpu"
    )
    with blas_on(2) as threads_of:
        before = threads_of()
        trainer.fit(np.eye(4), np.array([0, 1, 0, 1]))
        assert threads_of() == before
    assert seen == [[threads] * len(before)] * 3


@needs_threaded_blas
def test_a_user_may_set_the_threads_of_blas_after_a_plan_ran_in_another_thread():
    with ThreadPoolExecutor(1) as pool, blas_on(2) as threads_of:
        pool.submit(Work(0).run, 1).result()
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            assert set(threads_of()) == {1}
        assert set(threads_of()) == {2}


@needs_threaded_blas
def test_a_limit_that_a_user_has_set_around_a_run_holds_behind_it_too():
    work = Work(0)
    with blas_on(2) as threads_of:
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            work.run(1)
            assert set(threads_of()) == {1}
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work.run, 1).result()
            assert set(threads_of()) == {1}
        assert set(threads_of()) == {2}


@needs_threaded_blas
@pytest.mark.parametrize("error", [KeyboardInterrupt, BoundsError])
def test_blas_has_its_threads_again_after_an_exception(error, monkeypatch):
    index, out = np.array([0]), np.zeros(1)
    graph = TaskGraph()
    with graph.recording():
        product(np.ones((2, 2)), np.ones((2, 2)), np.zeros((2, 2)))
        gathered(np.ones(1), index, out)
    plan = graph.compile(device="cpu")
    if error is BoundsError:
        index[0] = 5
    else:

        def interrupted(*_arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(engine, "_walk", lambda: interrupted)
    with blas_on(2) as threads_of:
        before = threads_of()
        with pytest.raises(error):
            plan.run()
        assert threads_of() == before


@needs_threaded_blas
def test_blas_has_its_threads_again_after_the_last_of_several_plans():
    works = [Work(seed) for seed in range(3)]
    with blas_on(2) as threads_of:
        before = threads_of()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda work: work.run(20), works))
        assert threads_of() == before


# ------------------------------------------------------------ processes

FORKED_BETWEEN_RUNS = """
import os, sys
import numpy as np
from netts.compiler import engine
from netts.compiler.blas_library import blas_library

def threads():
    return [one.num_threads for one in blas_library().controllers]

for one in blas_library().controllers:
    one.set_num_threads(2)
before = threads()
with engine.blas_held():
    child = os.fork()
    with engine.blas_held():  # in both of them
        pass
square = np.ones((300, 300))
assert (square @ square == 300).all()  # whose BLAS it may be that is held
assert threads() == (before if child else [1] * len(before))
users = engine._blas._users
if not child:
    os._exit(users)
print(users, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_that_is_forked_between_runs_counts_anew_and_keeps_one_thread(tmp_path):
    script = tmp_path / "forked.py"
    script.write_text(FORKED_BETWEEN_RUNS)
    assert run(script).split() == ["0", "0"]


KERNELS = """\
import json, multiprocessing, sys, threading
import numpy as np
from netts import TaskGraph, accelerate, parallel
from netts.compiler import engine

@accelerate
def summed(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
    out[0] = total

@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total

@accelerate
def halved(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 0.5 * x[i]

X = np.arange(300_000.0)
A, B = np.ones((300, 200)), np.full((200, 100), 2.0)

def total():
    out = np.zeros(1)
    summed(X, out)
    return out[0]

class Work:
    def __init__(self):
        self.sum, self.out = np.zeros(1), np.zeros((300, 100))
        graph = TaskGraph()
        with graph.recording():
            product(A, B, self.out)
            summed(X, self.sum)
        self.plan = graph.compile(device="cpu")

    def run(self, steps):
        self.plan.run(steps)
        return [self.sum[0], self.out.min(), self.out.max()]

EXPECTED = [X.sum(), 400.0, 400.0]
"""

FORK = (
    KERNELS
    + """\
def child(work, queue):
    new, out = Work(), np.zeros(len(X))
    halved(X, out)  # compiled or loaded in the child only
    queue.put([work.run(3), new.run(3), [total()], [out.sum()]])

work = Work()
if "before a parallel run" not in sys.argv:
    assert work.run(5) == EXPECTED
others = [threading.Thread(target=Work().run, args=(40,)) for _ in range(2)]
if "during a parallel run" in sys.argv:
    for one in others:
        one.start()
context = multiprocessing.get_context("fork")
queue = context.Queue()
children = [context.Process(target=child, args=(work, queue)) for _ in range(2)]
for one in children:
    one.start()
found = [queue.get(timeout=60) for _ in children]
for one in children:
    one.join(60)
    assert one.exitcode == 0
for one in others:
    if one.ident:
        one.join()
assert work.run(5) == EXPECTED  # the parent's threads still work
print(json.dumps([found, EXPECTED, X.sum() / 2]))
"""
)

LAYERS = [
    pytest.param(
        layer,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(f"numba.np.ufunc.{layer}") is None,
            reason=f"numba has no {layer} here",
        ),
        id=layer,
    )
    for layer in ("omppool", "workqueue")
]


def environment(layer):
    """Return variables that ask for numba's threading layer and for more threads than cores."""
    return {
        "NUMBA_THREADING_LAYER": layer.removesuffix("pool"),
        "NUMBA_NUM_THREADS": "3",
        "NUMBA_DISABLE_JIT": "0",
    }


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "when", ["before a parallel run", "after a parallel run", "during a parallel run"]
)
def test_a_forked_child_gets_right_results(when, layer, tmp_path):
    script = tmp_path / "fork.py"
    script.write_text(FORK)
    found, expected, half = json.loads(run(script, when, **environment(layer)))
    assert found == [[expected, expected, expected[:1], [half]]] * 2


SPAWN = (
    KERNELS
    + """\
def child(queue):
    queue.put([Work().run(3), engine._workers.is_forked])

if __name__ == "__main__":
    assert Work().run(5) == EXPECTED
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    one = context.Process(target=child, args=(queue,))
    one.start()
    print(json.dumps(queue.get(timeout=60) == [EXPECTED, False]))
    one.join(60)
    assert one.exitcode == 0
"""
)


def test_a_spawned_child_gets_right_results_with_threads_of_its_own(tmp_path):
    script = tmp_path / "spawn.py"
    script.write_text(SPAWN)
    assert json.loads(run(script, **environment("workqueue")))


AT_ONCE = (
    KERNELS
    + """\
import numba
numba.get_num_threads()  # starts numba's threads, which netts does not
works = [Work() for _ in range(3)]
found = []
threads = [threading.Thread(target=lambda w=w: found.append(w.run(30))) for w in works]
for one in threads:
    one.start()
assert [total() for _ in range(20)] == [X.sum()] * 20
for one in threads:
    one.join()
specialised = summed.specialise((X, np.zeros(1)))
for n in (1, 2, 3, 4, 7, 256, 1000):  # more than numba has
    out = np.zeros(1)
    specialised.run((X, out), threads=n)
    found.append([out[0], 400.0, 400.0])
assert found == [EXPECTED] * 10
print(json.dumps(numba.threading_layer()))
"""
)


@pytest.mark.parametrize("layer", LAYERS)
def test_python_threads_share_any_threading_layer(layer, tmp_path):
    """numba's workqueue ends the process where two threads enter it at once."""
    script = tmp_path / "at_once.py"
    script.write_text(AT_ONCE)
    used = json.loads(run(script, **environment(layer)))
    assert used == layer.removesuffix("pool")
