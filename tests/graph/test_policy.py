"""Where "auto" runs a plan: the arithmetic of its estimates, what it chooses, and what it says."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

import netts
from netts import TaskGraph, accelerate, constant, parallel
from netts.compiler import calibration
from netts.compiler.choosing import MARGIN, Estimates, estimate_call
from netts.compiler.cost_constants import DEFAULTS
from netts.compiler.cpu_estimate import cpu_seconds
from netts.compiler.cuda import gpu_calibration
from netts.compiler.cuda import specialise as cuda_specialise
from netts.compiler.cuda.estimate import Work
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS
from netts.devices import registry
from netts.devices.cuda_driver import Gpu
from netts.devices.memory import Arena
from netts.errors import DeviceError
from netts.graph import Usage
from netts.graph.fusion import fused
from netts.graph.policy import RUN_SECONDS, PlanEstimate, seconds_on_cpu
from netts.layers.dense import dense_forward

FAST_GPU = replace(
    GPU_DEFAULTS, kernel=1e-12, product=1e-12, step=1e-18, latency=1e-18, run=1e-12, copy=1e-12,
    first=1e-12, replay=1e-12, byte=1e-18, call=1e-12, call_byte=1e-18, start=1e-9,
)  # fmt: skip
COSTS = [one.name for one in dataclasses.fields(GPU_DEFAULTS) if one.name != "origin"]
SLOW_GPU = replace(GPU_DEFAULTS, kernel=10.0)


@accelerate
def doubled(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i]


@accelerate
def picked(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Return a machine whose environment leaves the device open and which has 16 cores."""
    monkeypatch.delenv(registry.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(cuda_specialise, "cublas_missing", lambda: None)
    with calibration.using(replace(DEFAULTS, cores=16)):
        yield


def dense(n: int, batch: int) -> TaskGraph:
    """Return a dense layer of the caller's samples, weights of netts's own."""
    arena = Arena("parameters")
    weight, bias = arena.reserve((n, n), np.float32), arena.reserve((n,), np.float32)
    arena.allocate()
    x, out = np.ones((batch, n), np.float32), np.zeros((batch, n), np.float32)
    graph = TaskGraph()
    with graph.recording():
        dense_forward(x, weight, bias, out)
    return graph


def estimate(graph: TaskGraph, usage: Usage | None = None, costs=GPU_DEFAULTS) -> Estimates:
    tasks = {name: fused(one) for name, one in graph.recordings.items()}
    return PlanEstimate(tasks, usage or Usage(), costs).estimates()


def one_task(n: int = 4) -> tuple[TaskGraph, np.ndarray]:
    x, out = np.arange(float(n)), np.zeros(n)
    graph = TaskGraph()
    with graph.recording():
        doubled(x, out)
    return graph, out


# ------------------------------------------------------------ the arithmetic


@pytest.mark.parametrize("batch", [1, 16, 256])
def test_more_work_takes_longer_on_either_device(batch):
    found = [estimate(dense(n, batch)) for n in (64, 256, 1024, 2048)]
    assert [one.cpu for one in found] == sorted(one.cpu for one in found)
    assert [one.gpu for one in found] == sorted(one.gpu for one in found)


def test_the_gpu_pays_from_one_size_on():
    devices = [estimate(dense(n, 256)).device for n in (4, 16, 64, 256, 512, 1024, 2048)]
    assert devices == sorted(devices)
    assert (devices[0], devices[-1]) == ("cpu", "cuda")


@pytest.mark.parametrize("name", COSTS)
def test_a_gpu_that_costs_more_of_anything_is_not_estimated_faster(name):
    dearer = replace(GPU_DEFAULTS, **{name: 3 * getattr(GPU_DEFAULTS, name)})
    usage = Usage(rounds=10)
    usual, other = (estimate(dense(512, 256), usage, one) for one in (GPU_DEFAULTS, dearer))
    assert other.gpu >= usual.gpu


def test_what_is_paid_once_is_shared_by_the_rounds():
    tasks = {"main": fused(dense(512, 256).recordings["main"])}
    few, many, forever = (
        PlanEstimate(tasks, Usage(rounds=n), GPU_DEFAULTS).on_gpu() for n in (1, 1000, None)
    )
    assert few - forever == pytest.approx(1000 * (many - forever), rel=1e-6)
    assert few > GPU_DEFAULTS.start


def test_a_recording_counts_as_often_as_it_is_replayed():
    once, often = (estimate(dense(64, 16), Usage({"main": n}), FAST_GPU) for n in (1, 100))
    assert often.cpu - RUN_SECONDS == pytest.approx(100 * (once.cpu - RUN_SECONDS))
    graph = dense(64, 16)
    with graph.recording("other"):
        doubled(np.zeros(1000), np.zeros(1000))
    only_main = estimate(graph, Usage({"main": 1}), FAST_GPU)
    assert only_main.cpu == pytest.approx(once.cpu)
    assert estimate(graph, costs=FAST_GPU).cpu > once.cpu


def test_a_step_on_the_gpu_is_a_launch_of_its_graph():
    slow = replace(FAST_GPU, replay=1.0)
    assert estimate(dense(512, 256), Usage({"main": 7}), slow).gpu == pytest.approx(7, rel=1e-3)


def test_memory_of_a_step_counts_once_however_many_tasks_touch_it():
    """Weights of 2 MB stay in a cache through a step that reads them twice, 4 MB do not."""
    graph, x, out = TaskGraph(), np.zeros((1, 700), "f4"), np.zeros((1, 700), "f4")
    arena = Arena("parameters")
    weight, bias = arena.reserve((700, 700), "f4"), arena.reserve((700,), "f4")
    with graph.recording():
        for _ in range(2):
            dense_forward(x, weight, bias, out)
    with graph.recording("more"):
        dense_forward(x, weight, bias, out)
        doubled(np.zeros(1 << 18), np.zeros(1 << 18))
    twice, more = (seconds_on_cpu(graph.recordings[name]) for name in ("main", "more"))
    assert twice[0] == twice[1] < more[0]


def test_copies_count_by_number_and_bytes():
    x, out = np.zeros(1 << 20, np.float32), np.zeros(1 << 20, np.float32)
    whole, graph = TaskGraph(), TaskGraph()
    with whole.recording():
        doubled(x, out)
    with graph.recording():
        doubled(constant(x), out)
    moved, kept = (PlanEstimate(one.recordings, Usage(), GPU_DEFAULTS) for one in (whole, graph))
    assert moved.around_kernels() - kept.around_kernels() == pytest.approx(
        x.nbytes * GPU_DEFAULTS.byte
    )
    told = PlanEstimate(graph.recordings, Usage(upload_bytes=1000), GPU_DEFAULTS)
    assert told.around_kernels() - kept.around_kernels() == pytest.approx(
        GPU_DEFAULTS.copy + 1000 * GPU_DEFAULTS.byte
    )


def test_float64_takes_longer_on_a_gpu():
    x, out = np.zeros((2048, 2048)), np.zeros((2048, 2048))
    seconds = []
    for dtype in (np.float32, np.float64):
        graph = TaskGraph()
        with graph.recording():
            dense_forward(x.astype(dtype), x.astype(dtype), x[0].astype(dtype), out.astype(dtype))
        tasks = PlanEstimate({"main": fused(graph.recordings["main"])}, Usage(), GPU_DEFAULTS)
        seconds.append(tasks.estimates().gpu - tasks.around_kernels())
    assert seconds[1] == pytest.approx(GPU_DEFAULTS.double * seconds[0], rel=0.1)


def test_more_cores_are_faster_but_not_by_as_many():
    seconds = []
    for cores in (1, 4, 16):
        with calibration.using(replace(DEFAULTS, cores=cores)):
            arrays = [np.ones(shape, np.float32) for shape in ((4096, 512), (512, 512), 512)]
            arrays.append(np.ones((4096, 512), np.float32))
            seconds.append(dense_forward.specialised(tuple(arrays), cpu_seconds))
    assert seconds[0] > seconds[1] > seconds[2] > seconds[0] / 16


def test_the_recorded_times_of_an_h100_are_met_within_a_factor_of_two():
    """bench/results/paper-2026-11-23.md: a dense layer is half of feed forward there."""
    for n, batch, microseconds in ((1024, 256, 55.4), (1024, 4096, 399), (4096, 256, 385)):
        tasks = {"main": fused(dense(n, batch).recordings["main"])}
        plan = PlanEstimate(tasks, Usage(), GPU_DEFAULTS)
        kernels = plan.estimates().gpu - plan.around_kernels()
        assert 0.5 < 2 * kernels / (microseconds * 1e-6) < 2


# ------------------------------------------------------------ the choice


def test_auto_takes_the_faster_device_and_says_by_how_much(fake_gpu):
    with gpu_calibration.using(FAST_GPU):
        graph, out = one_task(1000)
        plan = graph.compile()
        plan.run()
    assert plan.device == "cuda"
    assert out[3] == 6
    first = plan.explain().splitlines()[0]
    assert first.startswith("plan on cuda: about ")
    assert f"by costs {calibration.current().digest}, {FAST_GPU.digest}" in first
    assert " a run on the cpu, " in first


def test_auto_stays_on_the_cpu_where_the_gpu_is_slower(fake_gpu):
    with gpu_calibration.using(SLOW_GPU):
        plan = one_task()[0].compile()
    assert plan.device == "cpu"
    assert "on the cpu, at least 10 s on cuda" in plan.reason
    assert not fake_gpu.log


def test_alike_is_the_cpu():
    assert Estimates(MARGIN * 1.0, 1.0, "a run", "").device == "cpu"
    assert Estimates(MARGIN * 1.01, 1.0, "a run", "").device == "cuda"


def test_without_a_gpu_nothing_is_estimated(no_gpu, monkeypatch):
    monkeypatch.setattr(PlanEstimate, "estimates", lambda _self: pytest.fail("estimated"))
    plan = one_task()[0].compile()
    assert (plan.device, plan.reason) == ("cpu", "no GPU can be used: no driver")


def test_nothing_is_compiled_for_an_estimate(fake_gpu, monkeypatch):
    from netts.compiler import native
    from netts.compiler.cuda import images

    monkeypatch.setattr(native, "load", lambda *_arguments: pytest.fail("compiled"))
    monkeypatch.setattr(images, "image_of", lambda *_arguments: pytest.fail("compiled"))
    assert estimate(dense(96, 7)).cpu > 0


@pytest.mark.parametrize(
    ("argument", "context", "environment", "device"),
    [
        ("cpu", "cuda", "cuda", "cpu"),
        ("auto", "cpu", "cuda", "cpu"),
        ("auto", None, "cpu", "cpu"),
        ("auto", "auto", "cpu", "cpu"),
        ("auto", None, None, "cuda"),
        ("auto", "auto", "auto", "cuda"),
        ("reference", "cuda", "cuda", "reference"),
    ],
)
def test_the_estimate_comes_last(argument, context, environment, device, fake_gpu, monkeypatch):
    if environment:
        monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, environment)
    with gpu_calibration.using(FAST_GPU), netts.device(context or "auto"):
        assert one_task()[0].compile(device=argument).device == device


def test_work_goes_on_where_it_began(fake_gpu):
    with gpu_calibration.using(FAST_GPU):
        plan = one_task()[0].compile(usage=Usage(before="cpu"))
        assert (plan.device, plan.reason) == ("cpu", "goes on where it began")
        assert one_task()[0].compile(usage=Usage(before="reference")).device == "cuda"
        assert one_task()[0].compile(usage=Usage(before="cuda:1")).device == "cuda"  # there is one


def test_work_of_a_gpu_goes_on_on_the_cpu_where_there_is_none(no_gpu):
    assert one_task()[0].compile(usage=Usage(before="cuda")).device == "cpu"


def test_what_does_not_fit_on_the_gpu_stays_on_the_cpu(fake_gpu, monkeypatch):
    gpu = Gpu("small", 4000, (9, 0), (13, 0))
    info = registry.DeviceInfo("cuda", True, "small", gpus=(gpu,))
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: info)
    with gpu_calibration.using(FAST_GPU):
        assert one_task(100)[0].compile().device == "cuda"
        plan = one_task(1000)[0].compile()
    assert plan.device == "cpu"
    assert plan.reason == "it needs 16,000 bytes on the GPU, which has 4,000"


def test_what_fails_on_the_chosen_device_fails(fake_gpu):
    fake_gpu.nbytes = 100
    with gpu_calibration.using(FAST_GPU), pytest.raises(DeviceError, match="no room"):
        one_task(1000)[0].compile()
    fake_gpu.nbytes = 2**30
    graph = TaskGraph()
    with graph.recording():
        picked(np.zeros(3), np.array([0, 9]), np.zeros(2))
    with gpu_calibration.using(FAST_GPU):
        plan = graph.compile()
    with pytest.raises(netts.errors.BoundsError):
        plan.run()
    assert plan.device == "cuda"


# ------------------------------------------------------------ the call of a kernel


def test_a_call_counts_its_copies_and_a_share_of_the_start():
    x, out = np.zeros(1 << 22), np.zeros(1 << 22)
    with gpu_calibration.using(FAST_GPU):
        fast = estimate_call(doubled, (x, out))
    with gpu_calibration.using(replace(FAST_GPU, call_byte=1.0)):
        far = estimate_call(doubled, (x, out))
    assert (fast.device, far.device) == ("cuda", "cpu")
    assert far.gpu == pytest.approx(3 * x.nbytes, rel=0.01)  # out goes both ways
    assert estimate_call(doubled, (np.zeros(4), np.zeros(4))).device == "cpu"


def test_a_call_runs_where_the_estimate_says(fake_gpu, monkeypatch):
    from netts.compiler import kernel as kernels

    ran = []
    monkeypatch.setattr(kernels, "run_on", lambda device, *_arguments: ran.append(device))
    for costs in (FAST_GPU, SLOW_GPU):
        with gpu_calibration.using(costs):
            doubled(np.zeros(1 << 16), np.zeros(1 << 16))
            doubled.on("cpu")(np.zeros(1 << 16), np.zeros(1 << 16))
    assert ran == ["cuda", "cpu", "cpu", "cpu"]
    assert "  auto: cpu, about " in doubled.explain()


# ------------------------------------------------------------ trainings and predictions


def training(**keywords):
    from netts import Network, Trainer, layers

    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((24, 4), np.float32), np.arange(24) % 3
    trainer = Trainer(Network([layers.Dense(3)]), batch_size=8, random_state=0, **keywords)
    return trainer, X, y


def test_a_fit_chooses_for_all_its_epochs_and_says_why(fake_gpu):
    trainer, X, y = training(epochs=3)
    with gpu_calibration.using(FAST_GPU):
        trainer.fit(X, y)
    assert trainer.device_ == "cuda"
    assert " an epoch on the cpu, " in trainer.device_reason_
    trainer, X, y = training(epochs=3)
    trainer.fit(X, y)
    assert trainer.device_ == "cpu"


def test_a_fit_that_resumes_stays_where_it_ran(fake_gpu):
    trainer, X, y = training(epochs=1)
    with gpu_calibration.using(FAST_GPU):
        trainer.fit(X, y)
    trainer.fit(X, y, resume=True)
    assert (trainer.device_, trainer.device_reason_) == ("cuda", "goes on where it began")
    trainer.device = "cpu"
    trainer.fit(X, y, resume=True)
    assert trainer.device_ == "cpu"


def test_all_chunks_of_a_prediction_run_where_the_first_does(fake_gpu):
    trainer, X, y = training(epochs=1, device="cpu")
    trainer.fit(X, y)
    expected = trainer.network.predict(X, batch_size=16, device="cpu")
    trainer.network._predictor.plans.clear()
    with gpu_calibration.using(FAST_GPU):
        found = trainer.network.predict(X, batch_size=16)
    assert {one.device for one in trainer.network._predictor.plans.values()} == {"cuda"}
    np.testing.assert_array_equal(found, expected)


def test_an_estimator_keeps_the_choice_in_its_file_and_goes_on_with_it(fake_gpu, tmp_path):
    from netts import MLPClassifier

    _, X, y = training()
    model = MLPClassifier((3,), max_iter=2, random_state=0)
    with gpu_calibration.using(FAST_GPU):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert model.device_ == model.device_choice_.device == "cuda"
    assert " on cuda, by costs " in model.device_choice_.reason
    model.save(tmp_path / "model.netts")
    again = netts.load(tmp_path / "model.netts")
    assert again.device_choice_ == model.device_choice_
    again.partial_fit(X, y)
    assert (again.device_, again.device_choice_.reason) == ("cuda", "goes on where it began")


def test_costs_of_a_gpu_are_frozen_and_have_a_digest():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPU_DEFAULTS.kernel = 1.0
    digests = {replace(GPU_DEFAULTS, **{name: 7.0}).digest for name in COSTS}
    assert len(digests) == len(COSTS)
    assert GPU_DEFAULTS.is_sane


def test_sums_that_several_blocks_share_count_once_and_are_shared():
    """A gradient of a bias sums long columns: by the launch of the parts, not again behind it."""
    from netts.layers.dense import dense_grad_bias

    arrays = np.ones((1 << 16, 16), np.float32), np.ones(16, np.float32)
    special = dense_grad_bias.specialised(arrays, cuda_specialise.specialise)
    assert len(special.operations) == 2
    bound = dense_grad_bias.specialised(arrays, lambda bound: bound)
    parts, rest = (Work.of(one, special, bound) for one in special.operations)
    assert parts.total > 1 << 20
    assert rest.total < 100
    assert parts.serial < parts.total / 1000


def test_packing_counts_by_elements_not_by_threads():
    from netts.layers.conv import conv2d_grad_weight

    shapes = ((128, 1, 32, 28, 28), (128, 1, 64, 28, 28), (1, 64, 32, 3, 3))
    arrays = tuple(np.ones(shape, np.float32) for shape in shapes)
    arguments = (*arrays, 1, 1, 1, 1, 1, 1)
    special = conv2d_grad_weight.specialised(arguments, cuda_specialise.specialise)
    bound = conv2d_grad_weight.specialised(arguments, lambda bound: bound)
    (packing,) = [one for one in special.operations if " pack images" in one.label]
    windows = 9 * arrays[0].size
    assert windows <= Work.of(packing, special, bound).total <= 16 * windows
