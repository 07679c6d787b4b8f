"""Training on what other processes read: the same bits, errors by name, no process left."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from process_sources import Failing, Numbers
from reading_pools import lives, read_in_processes

from netts import Network, Trainer, layers
from netts.data import ImageOptions, image_folder
from netts.errors import DataError, ImageFileError, ParameterError, ProcessError
from netts.network import sources

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def started(monkeypatch):
    """The numbers of the processes that read, all of which have ended behind the test."""
    numbers = read_in_processes(monkeypatch)
    monkeypatch.setattr(sources, "FEWEST_PROCESSES", 2)
    yield numbers
    assert not any(map(lives, numbers))
    assert not [one for one in threading.enumerate() if one.name.startswith("netts ")]


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for k in range(48):
        path = tmp_path / "ab"[k % 2] / f"{k:02}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = 60 + 120 * (k % 2) + random.integers(0, 40, (8, 8))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path


GREY = ImageOptions(color_mode="grayscale")
LIMIT = 2 * 2 * 8 * (8 * 8 * 4 + 8)
"""Two halves of two batches."""


def fitted(X, y, *, epochs=3, limit=LIMIT, **arguments):
    network = Network(
        [layers.RandomFlip(), layers.RandomShift(1), layers.Flatten(), layers.Dense(2)], np.float32
    )
    trainer = Trainer(
        network, epochs=epochs, batch_size=8, data_memory_bytes=limit, random_state=0, device="cpu"
    )
    trainer.fit(X, y, **arguments)
    return trainer


@pytest.mark.parametrize("n_processes", [2, 3])
def test_a_folder_teaches_the_same_bits_in_any_number_of_processes(folder, started, n_processes):
    images = image_folder(folder, GREY, n_threads=n_processes)
    weight = fitted(images, images.targets).network.weights()["3.weight"]
    assert len(set(started)) == n_processes
    resident = fitted(images.load(), images.targets, limit=None).network
    np.testing.assert_array_equal(weight, resident.weights()["3.weight"])


def test_few_threads_stay_in_this_process(folder, monkeypatch):
    started = read_in_processes(monkeypatch)
    images = image_folder(folder, GREY, n_threads=sources.FEWEST_PROCESSES - 1)
    fitted(images, images.targets)
    assert not started


def test_one_thread_stays_in_this_process(folder, started):
    images = image_folder(folder, GREY, n_threads=1)
    fitted(images, images.targets)
    assert not started


def test_a_trainer_reads_in_processes_again_where_it_goes_on(folder, started):
    images = image_folder(folder, GREY, n_threads=2)
    trainer = fitted(images, images.targets, epochs=2)
    trainer.fit(images, images.targets, resume=True)
    assert len(set(started)) == 4
    whole = fitted(images.load(), images.targets, epochs=4, limit=None).network
    np.testing.assert_array_equal(
        trainer.network.weights()["3.weight"], whole.weights()["3.weight"]
    )


def test_validation_data_and_predictions_are_read_in_processes(folder, started):
    images = image_folder(folder, GREY, n_threads=2)
    held = images.take(np.arange(0, 48, 3))
    network = fitted(images, images.targets, validation_data=(held, held.targets)).network
    assert len(set(started)) == 4
    np.testing.assert_array_equal(network.predict(images), network.predict(images.load()))
    assert len(set(started)) == 6


def test_a_file_that_breaks_while_processes_read_is_named(folder, started):
    images = image_folder(folder, GREY, n_threads=2)
    images.paths[17].write_bytes(b"gone")
    with pytest.raises(ImageFileError, match=r"\.png is no picture of a format") as caught:
        fitted(images, images.targets)
    assert images.paths[17].name in str(caught.value)
    assert caught.value.__notes__ == ["while reading sample 17 of X"]
    assert started


def numbers_network():
    return Network([layers.Dense(2)], np.float32)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("python", ZeroDivisionError, "no zeros"),
        ("forget", DataError, "sample 31 of X has values that are not finite"),
        ("die", ProcessError, "has ended by signal 9"),
    ],
)
def test_the_sample_that_cannot_be_read_in_a_process_is_named(started, how, error, message):
    # Dies in another process only: the first block, which this one reads, is without it.
    source = Failing(31, how, n_samples=64)
    trainer = Trainer(
        numbers_network(), "squared_error", epochs=2, batch_size=8, shuffle=False, device="cpu",
        data_memory_bytes=2 * 8 * 16,
    )  # fmt: skip
    with pytest.raises(error, match=message) as caught:
        trainer.fit(source, np.zeros((64, 2)))
    named = [*getattr(caught.value, "__notes__", []), str(caught.value)]
    assert any("sample 31 of X" in text for text in named)


def test_a_class_of_the_program_itself_cannot_be_read_in_processes(monkeypatch):
    monkeypatch.setattr(Numbers, "__module__", "__main__")
    with pytest.raises(ParameterError, match=r"a Numbers, has in_processes=True, and its class"):
        Trainer(numbers_network(), "squared_error").fit(Numbers(n_threads=4), np.zeros((1000, 2)))
