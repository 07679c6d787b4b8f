"""A network that knows what its images went through and what its classes are called."""

from __future__ import annotations

import numpy as np
import pytest

import netts
from netts import Network, Trainer, cli, layers
from netts.data import ImageOptions, image_folder
from netts.errors import (
    BrokenModelError,
    ImageFileError,
    NotBuiltError,
    ParameterError,
    ShapeError,
)
from netts.estimators import ImageModel

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def images(tmp_path):
    random = np.random.default_rng(0)
    for k in range(40):
        path = tmp_path / "set" / ("bright", "dark")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = (170, 30)[k % 2] + random.integers(0, 60, (9, 7, 3))
        Image.fromarray(levels.astype(np.uint8)).save(path)
    return image_folder(tmp_path / "set", ImageOptions(6, mean=0.5, std=0.25))


def network():
    return Network([layers.RandomFlip(), layers.Flatten(), layers.Dense(2)], np.float32)


@pytest.fixture
def model(images):
    trained = network()
    Trainer(trained, epochs=20, random_state=0, device="cpu").fit(images, images.targets)
    return ImageModel(trained, images.options, images.class_names)


def test_classes_are_predicted_by_name_from_files_and_sets(model, images):
    assert (model.predict(images) == images.labels).all()
    assert model.predict([images.paths[0], str(images.paths[-1])]).tolist() == ["bright", "dark"]
    np.testing.assert_allclose(model.predict_proba(images).sum(axis=1), 1, rtol=1e-6)


def test_a_saved_model_keeps_options_and_names(model, images, tmp_path):
    model.save(tmp_path / "a.netts")
    loaded = netts.load(tmp_path / "a.netts")
    assert loaded.class_names == ("bright", "dark")
    assert loaded.options == images.options
    np.testing.assert_array_equal(loaded.predict_proba(images), model.predict_proba(images))


def test_an_onnx_file_gives_names_for_pixels(model, images, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model.to_onnx(tmp_path / "a.onnx")
    scaled = np.empty(images.shape)
    images.read(np.arange(len(images)), scaled)
    pixels = np.rint((scaled * 0.25 + 0.5) * 255).astype(np.uint8)
    labels, probabilities = runtime.InferenceSession(tmp_path / "a.onnx").run(
        None, {"images": pixels}
    )
    assert labels.tolist() == model.predict(images).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(images), atol=1e-5)


def test_inspect_names_the_classes(model, tmp_path, capsys):
    model.save(tmp_path / "a.netts")
    assert cli.main(["inspect", str(tmp_path / "a.netts")]) == 0
    shown = capsys.readouterr().out
    assert "image model, " in shown
    assert "2 classes: bright, dark" in shown
    assert "ImageOptions(size=6" in shown


def test_its_own_options_are_applied_to_any_set(model, images):
    raw = image_folder(images.paths[0].parents[1])
    np.testing.assert_array_equal(model.predict_proba(raw), model.predict_proba(images))


def test_a_picture_that_cannot_be_read_is_named(model, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(ImageFileError, match=r"no\.png is no picture"):
        model.predict([tmp_path / "no.png"])


def test_what_does_not_fit_is_refused(model, images):
    options, names = images.options, images.class_names
    with pytest.raises(NotBuiltError, match="train it first"):
        ImageModel(network(), options, names)
    with pytest.raises(ShapeError, match=r"takes samples of shape \(3, 6, 6\), and the images"):
        ImageModel(model.network, ImageOptions(5), names)
    with pytest.raises(ParameterError, match="3 class names cannot stand for outputs of shape"):
        ImageModel(model.network, options, (*names, "grey"))


def test_a_file_that_contradicts_itself_is_broken(model, tmp_path):
    broken = ImageModel(model.network, model.options, model.class_names)
    object.__setattr__(broken, "class_names", ("bright",))
    broken.save(tmp_path / "a.netts")
    with pytest.raises(BrokenModelError, match="1 class names cannot stand for outputs"):
        netts.load(tmp_path / "a.netts")
