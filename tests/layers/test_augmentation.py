"""Layers that change images at random: what they draw and write, and when they do nothing."""

import numpy as np
import pytest
from scipy import stats

from netts import Trainer
from netts.errors import ParameterError, ShapeError
from netts.layers import (
    Dense,
    Flatten,
    GaussianNoise,
    RandomBrightness,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShift,
)
from netts.layers.augmentation import cut_out, flip, translate
from netts.layers.draws import chosen, draw_uniforms, uniform
from netts.layers.intensity import add_noise
from netts.layers.rotation import draw_turns, rotate
from netts.network import Network

ALL = [
    RandomFlip(),
    RandomFlip(horizontal=True, vertical=True),
    RandomShift(1),
    RandomShift((0, 2)),
    RandomCrop((2, 3)),
    RandomCrop(3, padding=1),
    RandomRotation(90),
    RandomBrightness(0.5),
    GaussianNoise(0.3),
]
N = 500


def counters(n, *, order=None, start=0, step=0, key=(1, 2)):
    order = np.arange(n) if order is None else np.asarray(order)
    return order, np.array([start]), np.array([step]), np.array(key)


def draws_of(n, width=2, *, dtype=np.float64, device="cpu", stream=0, **changed):
    draws = np.empty((n, width), dtype)
    draw_uniforms.on(device)(draws, *counters(n, **changed), stream)
    return draws


def images(n=N, channels=2, height=4, width=5):
    return np.arange(1.0, n * channels * height * width + 1).reshape(n, channels, height, width)


def test_numbers_are_uniform_and_the_same_in_both_dtypes(device):
    draws = draws_of(1000, device=device)
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.01
    np.testing.assert_array_equal(draws, draws_of(1000, dtype=np.float32, device=device))
    assert draws.min() >= 0
    assert draws.max() < 1


def test_numbers_belong_to_sample_step_layer_and_seed():
    draws = draws_of(N)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(draws_of(N, order=order), draws[order])
    np.testing.assert_array_equal(draws_of(7, order=order, start=5), draws[order[5:12]])
    for changed in [{"step": 1}, {"stream": 1}, {"key": (1, 3)}]:
        assert (draws_of(N, **changed) != draws).mean() > 0.9


def test_whole_numbers_are_all_as_likely_and_none_beyond():
    numbers = [0.0, 0.5, 1 - 2.0**-24]
    assert [chosen(u, 3) for u in numbers] == [0, 1, 2]
    assert [chosen(u, 1) for u in numbers] == [0, 0, 0]
    assert uniform(0xFFFFFFFF) == 1 - 2.0**-24
    counts = np.bincount([chosen(u, 3) for u in draws_of(3000, 1)[:, 0]])
    assert stats.chisquare(counts).pvalue > 0.01


def test_flips_are_numpys(device):
    x, draws = images(), draws_of(N)
    output = np.empty_like(x)
    flip.on(device)(x, draws, output, 0.5, 0.5)
    is_flipped = draws < 0.5
    assert 0.4 < is_flipped.mean() < 0.6
    for image, (down, across), found in zip(x, is_flipped, output, strict=True):
        expected = image[:, ::-1] if down else image
        np.testing.assert_array_equal(found, expected[:, :, ::-1] if across else expected)


def test_shifts_are_by_whole_pixels_into_zeros(device):
    x, draws = images(height=3, width=3), draws_of(N)
    output = np.empty_like(x)
    translate.on(device)(x, draws, output, 3, 5, -1, -2, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    seen = set()
    for k, found in enumerate(output):
        top, left = chosen(draws[k, 0], 3), chosen(draws[k, 1], 5)
        seen.add((top, left))
        np.testing.assert_array_equal(found, padded[k, :, top : top + 3, left : left + 3])
    assert len(seen) == 15


def test_crops_are_parts_and_the_middle_outside_of_training(run_layer, device):
    x = images(3, 1, 5, 6)
    found = run_layer(RandomCrop((2, 3)), x, device=device)["output"]
    parts = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(2, 3)).reshape(3, -1, 2, 3)
    for image, crops in zip(found[:, 0], parts, strict=True):
        assert (crops == image).all(axis=(1, 2)).any()
    network = Network([RandomCrop((2, 4))], np.float64).build((1, 5, 6))
    np.testing.assert_array_equal(network.predict(x, device=device), x[:, :, 1:3, 1:5])


def test_a_crop_larger_than_its_image_has_a_border_of_zeros(device):
    x, output = images(1, 1, 2, 2), np.empty((1, 1, 4, 3))
    cut_out.on(device)(x, output, -1, 0)
    np.testing.assert_array_equal(output[0, 0], [[0, 0, 0], [1, 2, 0], [3, 4, 0], [0, 0, 0]])


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns_are_numpys(device, quarters):
    x = images(1, 2, 5, 5)
    turns, output = np.empty((1, 2)), np.empty_like(x)
    draw_turns.on(device)(np.ones((1, 1)), turns, quarters * np.pi / 2)
    rotate.on(device)(x, turns, output, 2.0, 2.0)
    # What leaves the image by a rounding error weighs as little in the mean.
    np.testing.assert_allclose(output, np.rot90(x, quarters, axes=(2, 3)), atol=1e-9)


def test_turns_are_scipys_but_for_the_border(device):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = np.random.default_rng(0).random((1, 1, 9, 8))
    turns, output = np.empty((1, 2)), np.empty_like(x)
    draw_turns.on(device)(np.full((1, 1), 0.75), turns, np.radians(40))
    rotate.on(device)(x, turns, output, 4.0, 3.5)
    expected = ndimage.rotate(x[0, 0], 20, reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(output[0, 0], expected, atol=1e-12)


def test_angles_are_between_the_limits():
    draws, turns = draws_of(N, 1), np.empty((N, 2))
    draw_turns(draws, turns, np.radians(30))
    angles = np.degrees(np.arctan2(turns[:, 1], turns[:, 0]))
    assert stats.kstest(angles, stats.uniform(-30, 60).cdf).pvalue > 0.01


def test_noise_is_normal_and_another_for_each_value(device):
    x, output = np.full((50, 40), 3.0), np.empty((50, 40))
    add_noise.on(device)(x, output, *counters(50), 0, 0.5)
    assert stats.kstest((output - 3.0).ravel() / 0.5, "norm").pvalue > 0.01
    assert len(np.unique(output)) == output.size


def test_brightness_is_one_factor_for_a_sample(run_layer, device):
    x = 1.0 + np.random.default_rng(0).random((200, 2, 3, 3))
    factors = run_layer(RandomBrightness(0.4), x, device=device)["output"] / x
    np.testing.assert_allclose(factors, factors[:, :1, :1, :1] * np.ones_like(x), rtol=1e-12)
    assert stats.kstest(factors[:, 0, 0, 0], stats.uniform(0.6, 0.8).cdf).pvalue > 0.01


@pytest.mark.parametrize("layer", ALL, ids=repr)
def test_prediction_changes_nothing(layer):
    if isinstance(layer, RandomCrop):
        return
    x = images(2)
    network = Network([layer], np.float64).build(x.shape[1:])
    np.testing.assert_array_equal(network.predict(x), x)


def train(device, batch_size=16):
    X = np.random.default_rng(0).random((40, 1, 6, 6))
    y = (X[:, 0, :3].sum(axis=(1, 2)) > X[:, 0, 3:].sum(axis=(1, 2))).astype(int)
    network = Network(
        [
            RandomCrop(6, padding=1), RandomFlip(), RandomRotation(10), RandomBrightness(0.2),
            GaussianNoise(0.01), Flatten(), Dense(2),
        ],
        np.float64,
    )  # fmt: skip
    trainer = Trainer(
        network, loss="cross_entropy", optimizer="adam", epochs=3, batch_size=batch_size,
        random_state=0, device=device,
    )  # fmt: skip
    trainer.fit(X, y)
    return network.weights()["6.weight"]


def test_devices_see_the_same_images():
    np.testing.assert_allclose(train("cpu"), train("reference"), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip(horizontal=1), "horizontal is True or False, got 1"),
        (lambda: RandomShift(-1), "pixels is a whole number of at least 0"),
        (lambda: RandomCrop(0), "size is a whole number of at least 1"),
        (lambda: RandomCrop(2, padding=-1), "padding is a whole number of at least 0"),
        (lambda: RandomRotation(181), r"degrees is a number in \[0, 180\]"),
        (lambda: RandomBrightness(2), r"amount is a number in \[0, 1\]"),
        (lambda: GaussianNoise(float("nan")), r"deviation is a number in \[0, inf\)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"cuts 5 x 5 out of images of 3 x 4 with padding 0 x 0"):
        Network([RandomCrop(5)]).build((1, 3, 4))
    with pytest.raises(ShapeError, match="expects input of shape"):
        Network([RandomFlip()]).build(12)
