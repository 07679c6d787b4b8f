"""Fits on a device that is as late as it may be, while the collector runs at any moment.

Memory of a device goes when the collector finds that nobody holds it: in any thread, within any
call that allocates something. Work that was asked for may not have been done by then.
"""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_gpu import install
from streamings import DROPPING, SAMPLE_BYTES, assert_same, fitted
from trainings import CLASSES, X, learned

from netts import MLPClassifier, Network
from netts.compiler.loops import Loops
from netts.training.supply import HALVES

N_THREADS = 3
OPTIONS = (
    {},
    {"data_memory_bytes": HALVES * 16 * SAMPLE_BYTES},
    {"data_memory_bytes": HALVES * 32 * SAMPLE_BYTES, "validation_fraction": 0.3},
    {"validation_fraction": 0.3},
)
"""Of fits: resident and streamed, with and without validation."""


@pytest.fixture(params=["at any moment", "within steps"])
def collector(request, monkeypatch):
    """Let the collector run often: in all that allocate and in a thread of its own, or in steps."""
    before, ended = gc.get_threshold(), threading.Event()
    specialise = Loops.specialise

    def collect():
        while not ended.wait(0.002):
            gc.collect()

    def collecting(loops, arguments):
        gc.collect()
        return specialise(loops, arguments)

    gc.freeze()  # what there is already: a collection takes microseconds then
    if request.param == "within steps":
        gc.disable()
        monkeypatch.setattr(Loops, "specialise", collecting)
        yield
        gc.enable()
    else:
        thread = threading.Thread(target=collect)
        thread.start()
        gc.set_threshold(20, 3, 3)
        yield
        gc.set_threshold(*before)
        ended.set()
        thread.join()
    gc.unfreeze()


def fit_and_drop(device: str, number: int):
    """Return what a fit has learned, and leave it, and its memory, to the collector."""
    options = OPTIONS[number % len(OPTIONS)] | {"random_state": number, "epochs": 2}
    trainer = fitted(Network(DROPPING), X, CLASSES, device, **options)
    found = learned(trainer, X)
    trainer.itself = trainer
    return found


def check_fits(n_fits: int) -> None:
    numbers = range(n_fits)
    expected = [fit_and_drop("cpu", number) for number in numbers]
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(lambda number: fit_and_drop("cuda", number), numbers))
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("is_hasty", [False, True], ids=["late", "hasty"])
def test_memory_that_is_given_back_anywhere_spoils_no_fit(is_hasty, monkeypatch, collector):
    gpu = install(monkeypatch)
    gpu.is_hasty = is_hasty
    check_fits(6)
    deadline = time.monotonic() + 10
    while len(gpu.blocks) > 1 and time.monotonic() < deadline:
        gc.collect()  # nothing, while another thread collects
    assert len(gpu.blocks) == 1  # what copies go through


@pytest.mark.slow
@pytest.mark.parametrize("is_hasty", [False, True], ids=["late", "hasty"])
def test_a_hundred_fits_are_spoilt_by_no_memory_that_is_given_back(
    is_hasty, monkeypatch, collector
):
    install(monkeypatch).is_hasty = is_hasty
    check_fits(100)


def test_what_nobody_waited_for_is_done_before_its_memory_goes(fake_gpu, collector):
    """Predictions of networks that are dropped at once: plans die with their work half done."""
    networks = [Network(DROPPING).build(6, random_state=k) for k in range(4)]
    expected = [one.predict(X, device="cpu") for one in networks]
    for _ in range(5):
        for network, prediction in zip(networks, expected, strict=True):
            copy = Network(DROPPING).build(6)
            copy.set_weights(network.weights())
            np.testing.assert_array_equal(copy.predict(X, device="cuda"), prediction)


def test_threads_that_predict_with_one_estimator_do_so_as_one_thread(fake_gpu, collector):
    options = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
    with pytest.warns(match="Maximum iterations"):
        here, there = (
            MLPClassifier(device=device, **options).fit(X, CLASSES) for device in ("cpu", "cuda")
        )
    sizes = [10 + 3 * k for k in range(20)]
    expected = [here.predict_proba(X[:size]) for size in sizes]
    there.coefs_ = [one.copy() for one in there.coefs_]  # which every call copies in again
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(lambda size: there.predict_proba(X[:size]), sizes))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
