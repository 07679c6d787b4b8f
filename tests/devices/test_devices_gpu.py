"""Devices by number, TF32 and faults on real GPUs: `tests/gpu_exam.sh` runs these, CI cannot.

What a process does not survive is tried in one of its own.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from trainings import CLASSES, X, mlp

from netts import MLPClassifier, TaskGraph, Trainer, accelerate, parallel
from netts.compiler.cuda.images import image_of
from netts.devices import cuda
from netts.devices.cuda import KernelImage
from netts.devices.cuda_driver import check_available, missing
from netts.errors import DeviceError, DeviceMemoryError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

GPUS = check_available() if missing() is None else ()
SEVERAL = pytest.mark.skipif(len(GPUS) < 2, reason=f"{len(GPUS)} GPUs, 2 are needed")


@accelerate
def multiplied(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * y[k, j]
        out[i, j] = total


@accelerate
def doubled(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i]


def planned(device, x, out, **options):
    graph = TaskGraph()
    with graph.recording():
        multiplied(x, x, out)
    return graph.compile(device=device, **options)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, **environment}, timeout=300,
    )  # fmt: skip


# ------------------------------------------------------------ TF32


def off_by(dtype, **options):
    """Return how far a product is off, relative to its largest element, after five replays."""
    x = np.random.default_rng(0).normal(size=(512, 512)).astype(dtype)
    out = np.zeros_like(x)
    plan = planned("cuda", x, out, **options)
    plan.run(5)
    expected = x.astype(np.float64) @ x.astype(np.float64)
    again = out.copy()
    plan.run(5)
    np.testing.assert_array_equal(again, out)
    return np.abs(out - expected).max() / np.abs(expected).max(), plan


def test_tf32_rounds_factors_and_nothing_else_does():
    full, plan = off_by(np.float32)
    assert full < 1e-5
    assert plan.precision == "float32"
    rounded, plan = off_by(np.float32, precision="tf32")
    assert 2 * full < rounded < 2e-3
    assert plan.precision == "tf32"
    assert "in TF32: a launch" in plan.explain()
    assert off_by(np.float64, precision="tf32")[0] < 1e-13
    assert off_by(np.float32)[0] == full


def test_networks_train_in_tf32_alike():
    X_wide = np.random.default_rng(0).normal(size=(2048, 256)).astype(np.float32)
    y = (X_wide[:, :8].sum(axis=1) > 0).astype(int)
    scores = {}
    for precision in (None, "tf32"):
        model = MLPClassifier(
            (256,), max_iter=5, device="cuda", precision=precision, random_state=0
        )
        scores[precision] = model.fit(X_wide, y).score(X_wide, y)
        assert model.device_choice_.precision == (precision or "float32")
    assert scores["tf32"] == pytest.approx(scores[None], abs=0.02)


# ------------------------------------------------------------ devices by number


def current() -> int:
    return int(cuda.opened()._driver.cuCtxGetCurrent()[1])


def test_work_leaves_the_thread_as_it_was():
    before = current()
    x = np.ones((64, 64), np.float32)
    planned("cuda", x, x.copy()).run(3)
    doubled.on("cuda:0")(x[0], x[1])
    assert current() == before
    with cuda.opened().enter():
        assert current() != 0
    assert current() == before


def test_a_number_that_is_not_there_says_how_many_are():
    count = "one GPU" if len(GPUS) == 1 else f"{len(GPUS)} GPUs"
    with pytest.raises(DeviceError, match=f"no device 'cuda:99', asked for: .* sees {count}"):
        doubled.on("cuda:99")


def test_what_is_free_agrees_with_the_driver():
    gpu = cuda.opened()
    with gpu.enter():
        _, free, _ = gpu._driver.cuMemGetInfo()
    told = GPUS[0].free_bytes
    if told is None:
        pytest.skip("NVML does not say")
    assert abs(told - int(free)) < 2**31


@SEVERAL
def test_the_second_gives_the_bits_of_the_first():
    outputs = []
    for device in ("cuda", "cuda:1"):
        network = mlp()
        trainer = Trainer(network, epochs=3, device=device, random_state=0)
        trainer.fit(X, CLASSES)
        assert trainer.device_ == device
        outputs.append(network.predict(X, device=device))
    if GPUS[0].name == GPUS[1].name:
        np.testing.assert_array_equal(*outputs)
    np.testing.assert_allclose(*outputs, 1e-4, 1e-5)


@SEVERAL
def test_weights_move_between_gpus_and_the_cpu():
    network = mlp()
    for device in ("cuda:1", "cuda", "cpu", "cuda:1"):
        Trainer(network, epochs=1, device=device, random_state=0).fit(X, CLASSES)
    expected = network.predict(X, device="cpu")
    for device in ("cuda", "cuda:1"):
        np.testing.assert_allclose(network.predict(X, device=device), expected, 1e-4, 1e-5)


@SEVERAL
def test_memory_is_where_it_was_asked_for():
    taken = []
    for ordinal in (0, 1):
        gpu = cuda.opened(ordinal)
        with gpu.enter(), gpu.allocate(2**28) as memory:
            attribute = gpu._driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
            taken.append(int(gpu.call("cuPointerGetAttribute", attribute, memory.address)))
    assert taken == [0, 1]


@SEVERAL
def test_threads_train_on_both_at_once():
    found = {}

    def train(device):
        network = mlp()
        Trainer(network, epochs=20, batch_size=8, device=device, random_state=0).fit(X, CLASSES)
        found[device] = network.predict(X, device=device)

    threads = [threading.Thread(target=train, args=(name,)) for name in ("cuda", "cuda:1")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    np.testing.assert_allclose(found["cuda"], found["cuda:1"], 1e-3, 1e-4)


# ------------------------------------------------------------ memory and kernels


def test_too_little_memory_says_what_was_asked_and_the_device_goes_on():
    gpu = cuda.opened()
    message = (
        r"has no room for 1,152,921,504,606,846,976 bytes: [\d,]+ of its [\d,]+ bytes are free "
        r"\(1,099,511,627,776 MiB asked for, [\d,]+ MiB free\)"
    )
    with gpu.enter(), pytest.raises(DeviceMemoryError, match=message):
        gpu.allocate(2**60)
    x = np.ones(8)
    doubled.on("cuda")(x, x)
    np.testing.assert_array_equal(x, 2)


def test_code_that_is_none_is_refused_by_name_and_the_device_goes_on():
    gpu = cuda.opened()
    broken = KernelImage("entry", (), b"\x7fELF" + bytes(1000), "broken")
    with gpu.enter(), pytest.raises(DeviceError, match="kernel 'broken'"):
        gpu.prepare(broken, 1, 32, ())
    x = np.ones(8)
    doubled.on("cuda")(x, x)
    np.testing.assert_array_equal(x, 2)


def test_a_kernel_of_few_registers_gives_the_same():
    gpu = cuda.opened()
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    found = np.zeros_like(x)
    (operation,) = doubled.specialise_cuda((x, found)).operations
    limited = image_of(operation.code, gpu.capability, 16)
    with gpu.enter(), gpu.allocate(2 * x.nbytes) as memory:
        assert gpu.kernels.registers_for(limited, 1024) is None
        addresses = {"x": memory.address, "out": memory.address + x.nbytes}
        gpu.upload(memory.address, x)
        parameters = operation.parameters(addresses, 0, 0, {})
        gpu.launch(gpu.prepare(limited, operation.blocks, operation.threads, parameters))
        gpu.download(found, addresses["out"])
        gpu.synchronize()
    np.testing.assert_array_equal(found, 2 * x)


# ------------------------------------------------------------ a lost device, in its own process

LOSE = """
import numpy as np
from netts import Trainer, Network, layers
from netts.devices import cuda
from netts.devices.cuda import KernelCode, compile_kernel
from netts.errors import DeviceLostError
from netts.training.callbacks import Callback

gpu = cuda.opened()
WILD = KernelCode("def entry(x):\\n    x[0] = float32(1)\\n", ("*float32",), "wild")
X = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
y = np.arange(500) % 3
network = Network([layers.Dense(16, "relu"), layers.BatchNorm(), layers.Dense(3)])
seen = {}

class Breaking(Callback):
    def on_epoch_end(self, trainer, history):
        if len(history) == 2:
            seen.update(trainer.network.weights())
        if len(history) == 4:
            image = compile_kernel(WILD, gpu.capability)
            with gpu.enter():
                gpu.launch(gpu.prepare(image, 1, 1, (8,)))

try:
    Trainer(network, epochs=9, device="cuda", callbacks=[Breaking()]).fit(X, y)
except DeviceLostError as error:
    print(error)
for name, array in network.weights().items():
    np.testing.assert_array_equal(array, seen[name])
assert np.isfinite(network.predict(X, device="cpu")).all()
for _ in range(2):
    try:
        network.predict(X, device="cuda")
    except DeviceLostError:
        print("still lost")
Trainer(network, epochs=1, device="cpu").fit(X, y)
"""


def test_a_fit_on_a_device_that_is_lost_leaves_weights_and_the_cpu():
    ended = run_python(LOSE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is lost to this process" in ended.stdout
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in ended.stdout
    assert "the network has the weights of epoch 2 of 9" in ended.stdout
    assert ended.stdout.count("still lost") == 2


# ------------------------------------------------------------ forks, and machines without a GPU


def test_a_forked_child_predicts_on_the_cpu_and_is_refused_the_gpu():
    network = mlp()
    Trainer(network, epochs=2, device="cuda", random_state=0).fit(X, CLASSES)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            finite = np.isfinite(network.predict(X, device="cpu")).all()
            network.predict(X, device="cuda")
        except DeviceError as error:
            said = f"{finite} {error}"
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said.startswith("True "), said
    assert "this process was forked from one that uses CUDA" in said
    assert np.isfinite(network.predict(X, device="cuda")).all()


UNPICKLE = """
import pickle
import numpy as np
from netts.errors import DeviceError

model, X, expected = pickle.load(open(PATH, "rb"))
try:
    model.predict_proba(X)
except DeviceError as error:
    print(error)
model.set_params(device="cpu")
np.testing.assert_allclose(model.predict_proba(X), expected, 1e-4, 1e-5)
model.set_params(device="auto").partial_fit(X, model.predict(X))
print(model.device_)
"""


def test_what_was_fitted_here_loads_where_no_gpu_is_visible(tmp_path):
    model = MLPClassifier((8,), max_iter=3, device="cuda", random_state=0).fit(X, CLASSES)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps((model, X, model.predict_proba(X))))
    ended = run_python(f"PATH = {str(path)!r}\n{UNPICKLE}", CUDA_VISIBLE_DEVICES="")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "CUDA_VISIBLE_DEVICES='' leaves no GPU visible" in ended.stdout
    assert "set_params(device='cpu')" in ended.stdout
    assert ended.stdout.endswith("cpu\n")


def test_the_command_lists_each_gpu():
    ended = subprocess.run(
        [sys.executable, "-m", "netts", "devices"], capture_output=True, text=True, check=True
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith("cuda")]
    assert len(lines) == len(GPUS)
    for line, gpu in zip(lines, GPUS, strict=True):
        assert gpu.name in line
        assert "compute capability" in line
