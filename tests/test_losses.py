"""Losses against scipy and scikit-learn, at any size of logits."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.special
from sklearn.metrics import (
    accuracy_score,
    d2_absolute_error_score,
    d2_pinball_score,
    hinge_loss,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)

from netts.errors import DataError, ParameterError, ShapeError, UnsupportedSyntaxError
from netts.losses import (
    LOSSES,
    ElementLoss,
    Hinge,
    Huber,
    Loss,
    Quantile,
    SquaredError,
    loss_from,
)

ROWS, OUTPUTS = 7, 4
HUGE = np.array([[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 999.0], [1e3, 1e3, 1e3]])


def example(name, dtype=np.float64):
    """Outputs, targets as kernels take them, and weights."""
    generator = np.random.default_rng(0)
    output = generator.normal(scale=2, size=(ROWS, OUTPUTS)).astype(dtype)
    y = {
        "cross_entropy": generator.integers(0, OUTPUTS, ROWS),
        "binary_cross_entropy": generator.integers(0, 2, (ROWS, OUTPUTS)),
        "squared_error": generator.normal(size=(ROWS, OUTPUTS)),
        "poisson": generator.poisson(1.0, (ROWS, OUTPUTS)),
        "absolute_error": generator.normal(size=(ROWS, OUTPUTS)),
        "huber": generator.normal(size=(ROWS, OUTPUTS)),
        "quantile": generator.normal(size=(ROWS, OUTPUTS)),
        "hinge": generator.integers(0, OUTPUTS, ROWS),
    }[name]
    weights = generator.uniform(0.5, 2, ROWS).astype(dtype)
    return output, LOSSES[name].targets(y, OUTPUTS, dtype), weights


def costs(loss, output, targets):
    losses = np.empty(len(output), output.dtype)
    loss.forward(output, targets, losses)
    return losses


def gradient(loss, output, targets, weights):
    grad_output = np.empty_like(output)
    weight_sum = np.array([weights.sum()], output.dtype)
    losses = costs(loss, output, targets)
    loss.backward(output, targets, losses, weights, weight_sum, grad_output)
    return grad_output


def test_cross_entropy_equals_sklearn():
    output, targets, weights = example("cross_entropy")
    expected = log_loss(
        targets[:, 0], scipy.special.softmax(output, axis=1), sample_weight=weights, labels=range(4)
    )
    found = np.average(costs(LOSSES["cross_entropy"], output, targets), weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_binary_cross_entropy_equals_its_closed_form():
    output, targets, _ = example("binary_cross_entropy")
    logs = scipy.special.log_expit(np.where(targets == 1, output, -output))
    found = costs(LOSSES["binary_cross_entropy"], output, targets)
    np.testing.assert_allclose(found, -logs.sum(axis=1), rtol=1e-13)


def test_squared_error_is_half_the_squared_distance():
    output, targets, _ = example("squared_error")
    found = costs(LOSSES["squared_error"], output, targets)
    np.testing.assert_allclose(found, 0.5 * ((output - targets) ** 2).sum(axis=1), rtol=1e-14)


def test_poisson_is_half_the_deviance():
    output, targets, weights = example("poisson")
    assert (targets == 0).any()
    deviances = [
        mean_poisson_deviance(targets[:, j], np.exp(output[:, j]), sample_weight=weights)
        for j in range(OUTPUTS)
    ]
    found = np.average(costs(LOSSES["poisson"], output, targets), weights=weights)
    np.testing.assert_allclose(found, 0.5 * sum(deviances), rtol=1e-13)


def test_absolute_error_equals_sklearn():
    output, targets, weights = example("absolute_error")
    found = np.average(costs(LOSSES["absolute_error"], output, targets), weights=weights)
    expected = mean_absolute_error(targets, output, sample_weight=weights) * OUTPUTS
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_huber_equals_scipy(delta):
    output, targets, _ = example("huber")
    expected = scipy.special.huber(delta, output - targets).sum(axis=1)
    np.testing.assert_allclose(costs(Huber(delta), output, targets), expected, rtol=1e-13)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.95])
def test_quantile_equals_sklearn(quantile):
    output, targets, weights = example("quantile")
    found = np.average(costs(Quantile(quantile), output, targets), weights=weights)
    expected = mean_pinball_loss(targets, output, alpha=quantile, sample_weight=weights) * OUTPUTS
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_several_quantiles_are_one_output_each():
    output, y, _ = example("quantile")
    levels = (0.1, 0.4, 0.6, 0.9)
    targets = Quantile(levels).targets(y[:, 0], OUTPUTS, np.float64)
    expected = [
        [mean_pinball_loss(row[:1], one[k : k + 1], alpha=q) for k, q in enumerate(levels)]
        for row, one in zip(y, output, strict=True)
    ]
    found = costs(Quantile(levels), output, targets)
    np.testing.assert_allclose(found, np.sum(expected, axis=1), rtol=1e-13)


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), (False, True)])
def test_hinge_of_two_classes_equals_sklearn(labels):
    output, _, weights = example("hinge")
    decision, y = output[:, :1], np.array(labels)[np.arange(ROWS) % 2]
    targets = Hinge().targets(y, 1, np.float64)
    found = np.average(costs(Hinge(), decision, targets), weights=weights)
    expected = hinge_loss(y, decision[:, 0], sample_weight=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    accuracy = accuracy_score(y == labels[1], decision[:, 0] > 0, sample_weight=weights)
    assert Hinge().score(decision, targets, weights) == pytest.approx(accuracy)


def test_hinge_of_several_classes_equals_sklearn():
    output, targets, weights = example("hinge")
    found = np.average(costs(Hinge(), output, targets), weights=weights)
    expected = hinge_loss(targets[:, 0], output, sample_weight=weights, labels=range(OUTPUTS))
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_scores_of_quantiles_equal_sklearn(is_weighted):
    output, targets, weights = example("quantile")
    weights = weights if is_weighted else None
    for quantile in (0.2, 0.5):
        found = Quantile(quantile).score(output, targets, weights)
        expected = d2_pinball_score(targets, output, alpha=quantile, sample_weight=weights)
        assert found == pytest.approx(expected)
    found = LOSSES["absolute_error"].score(output, targets, weights)
    assert found == pytest.approx(d2_absolute_error_score(targets, output, sample_weight=weights))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cross_entropy_of_huge_logits(dtype):
    loss, logits = LOSSES["cross_entropy"], HUGE.astype(dtype)
    targets = np.array([[1], [1], [2]])
    # A logit of 1000 is itself known to eps * 1000 only.
    rounding = {"rtol": 1e-6, "atol": 2000 * np.finfo(dtype).eps}
    second = 1 / (1 + np.e)
    expected = [2000, -np.log1p(-second), np.log(3)]
    np.testing.assert_allclose(costs(loss, logits, targets), expected, **rounding)
    found = gradient(loss, logits, targets, np.ones(3, dtype)) * 3
    expected = [[1, -1, 0], [0, -second, second], [1 / 3, 1 / 3, -2 / 3]]
    np.testing.assert_allclose(found, expected, **rounding)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_binary_cross_entropy_of_huge_logits(dtype):
    loss, logits = LOSSES["binary_cross_entropy"], HUGE[:2].astype(dtype)
    targets = np.array([[1, 0, 1], [1, 0, 0]], dtype)
    expected = [np.log(2), 1000 + 1000 + 999]
    np.testing.assert_allclose(costs(loss, logits, targets), expected, rtol=1e-6)
    assert np.isfinite(gradient(loss, logits, targets, np.ones(2, dtype))).all()


def test_confident_binary_cross_entropy_keeps_its_digits():
    targets, logits = np.array([[1.0]]), np.array([[40.0]])
    found = costs(LOSSES["binary_cross_entropy"], logits, targets)
    np.testing.assert_allclose(found, np.exp(-40.0), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_predictions_are_probabilities_or_values(name):
    output, _, _ = example(name)
    prediction = np.empty_like(output)
    LOSSES[name].predict(output, prediction)
    expected = {
        "cross_entropy": scipy.special.softmax(output, axis=1),
        "binary_cross_entropy": scipy.special.expit(output),
        "squared_error": output,
        "poisson": np.exp(output),
    }.get(name, output)
    np.testing.assert_allclose(prediction, expected, rtol=1e-13)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_scores_equal_sklearn(is_weighted):
    def score(name):
        output, targets, weights = example(name)
        chosen = weights if is_weighted else None
        return LOSSES[name].score(output, targets, chosen), output, targets, chosen

    found, output, targets, weights = score("cross_entropy")
    expected = accuracy_score(targets[:, 0], output.argmax(axis=1), sample_weight=weights)
    assert found == pytest.approx(expected)
    found, output, targets, weights = score("binary_cross_entropy")
    assert found == pytest.approx(accuracy_score(targets, output > 0, sample_weight=weights))
    found, output, targets, weights = score("squared_error")
    assert found == pytest.approx(r2_score(targets, output, sample_weight=weights))
    found, output, targets, weights = score("poisson")
    assert found == pytest.approx(r2_score(targets, np.exp(output), sample_weight=weights))


@pytest.mark.parametrize("output", [[[2.0], [2.0]], [[2.0], [3.0]]])
def test_score_of_constant_targets_equals_sklearn(output):
    targets = np.array([[2.0], [2.0]])
    found = LOSSES["squared_error"].score(np.array(output), targets, None)
    assert found == r2_score(targets, output)


@pytest.mark.parametrize(
    ("name", "y", "error", "message"),
    [
        ("cross_entropy", [0, 4], DataError, r"classes 0 to 3.* got class 4 in row 1"),
        ("cross_entropy", [-1, 0], DataError, r"got class -1 in row 0"),
        ("cross_entropy", [0.0, 1.0], DataError, r"whole numbers.*float64.*numpy.unique"),
        ("cross_entropy", ["a", "b"], DataError, r"whole numbers"),
        ("cross_entropy", [[0], [1]], ShapeError, r"shape \(n_samples,\), got \(2, 1\)"),
        ("binary_cross_entropy", [[0, 1, 0, 2]], DataError, r"between 0 and 1.* in row 0"),
        ("binary_cross_entropy", [[0, 1]], ShapeError, r"\(n_samples, 4\).*got \(1, 2\)"),
        ("squared_error", [1.0, 2.0], ShapeError, r"one column for each output"),
        ("squared_error", [[1, 2, 3, np.nan]], DataError, r"not finite, the first at row 0"),
        ("squared_error", [["a", "b", "c", "d"]], DataError, r"y of numbers, got dtype"),
        ("poisson", [[0, 1, 2, 3], [0, -1, 2, 3]], DataError, r"at least 0, got .* in row 1"),
        ("absolute_error", [[1, 2, 3]], ShapeError, r"AbsoluteError expects y .*got \(1, 3\)"),
        ("huber", [[1, 2, 3, np.inf]], DataError, r"not finite, the first at row 0"),
        ("quantile", [1.0, 2.0], ShapeError, r"one column for each output"),
        ("hinge", [0, 4], DataError, r"hinge expects classes 0 to 3.* got class 4 in row 1"),
        ("hinge", [[0, 1, 1, 0]], ShapeError, r"hinge expects y of shape \(n_samples,\)"),
    ],
)
def test_targets_without_a_meaning_are_refused(name, y, error, message):
    with pytest.raises(error, match=message):
        LOSSES[name].targets(np.array(y), OUTPUTS, np.float64)


def test_a_loss_of_ones_own_is_whole_and_hashable():
    @dataclass
    class Thawed(Loss):
        targets, forward, backward = (
            SquaredError.targets,
            SquaredError.forward,
            SquaredError.backward,
        )
        predict, score = SquaredError.predict, SquaredError.score

    class Half(Loss):
        def targets(self, y, n_outputs, dtype):
            return y

    with pytest.raises(TypeError, match=r"abstract.*backward.*predict"):
        Half()
    with pytest.raises(ParameterError, match=r"write @dataclass\(frozen=True\) over class Thawed"):
        loss_from(Thawed())


def test_unknown_loss_names_the_choices():
    with pytest.raises(ParameterError, match="unknown loss 'mse'; choose from: cross_entropy, bin"):
        loss_from("mse")
    with pytest.raises(ParameterError, match=r"loss None lacks targets, forward, .*choose from"):
        loss_from(None)


@pytest.mark.parametrize("y", [[0, 1, 2], [-1, 0, 1], [0.5, 1.0, 0.0], [-1, 0, 0]])
def test_hinge_of_one_output_takes_two_classes_only(y):
    with pytest.raises(DataError, match=r"expects y of -1 and 1, or of 0 and 1, got \[.*an output"):
        Hinge().targets(np.array(y), 1, np.float64)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Huber(-1), ParameterError, r"delta is a number in \(0, inf\), got -1"),
        (lambda: Huber(0), ParameterError, r"delta is a number in \(0, inf\), got 0"),
        (lambda: Quantile(0), ParameterError, r"quantile is a number in \(0, 1\), got 0"),
        (lambda: Quantile(1.0), ParameterError, r"quantile is a number in \(0, 1\), got 1.0"),
        (lambda: Quantile("half"), ParameterError, r"quantile is a number .* got 'half'"),
        (lambda: Quantile(()), ParameterError, "quantile is a number .* got none"),
        (lambda: Quantile((0.5, 2)), ParameterError, r"each of quantile is a number .* got 2"),
        (
            lambda: Quantile((0.1, 0.9)).targets(np.zeros(3), 3, np.float64),
            ShapeError,
            "has 2 quantiles, but the network 3 outputs: give its last layer a unit for each",
        ),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def cosh(output, target):
    return math.log(math.cosh(output - target))


def cosh_derivative(output, target):
    return math.tanh(output - target)


def wrong_sign(output, target):
    return math.tanh(target - output)


def corner(output, target):
    return abs(output - target)


def corner_derivative(output, target):
    return 1.0 if output > target else (-1.0 if output < target else 0.0)


def nowhere(output, target):
    return math.log(-abs(output) - 1.0)


def infinite(output, target):
    return 1.0 / (output - output)


def three(output, target, power):
    return output


Y = np.linspace(-3, 40, 50)


@pytest.mark.parametrize("pair", [(cosh, cosh_derivative), (corner, corner_derivative)])
def test_a_loss_of_two_functions_is_their_sum_over_outputs(pair):
    loss = ElementLoss(*pair)
    output, targets, weights = example("squared_error")
    assert loss.targets(targets, OUTPUTS, np.float64) is not None
    expected = np.vectorize(pair[0])(output, targets).sum(axis=1)
    np.testing.assert_allclose(costs(loss, output, targets), expected, rtol=1e-13)
    slopes = np.vectorize(pair[1])(output, targets) * weights[:, None] / weights.sum()
    found = gradient(loss, output, targets, weights)
    np.testing.assert_allclose(found, slopes, rtol=1e-13, atol=1e-16)
    assert loss == ElementLoss(*pair)
    assert hash(loss) == hash(ElementLoss(*pair))


@pytest.mark.parametrize(
    ("value", "derivative", "message"),
    [
        (cosh, wrong_sign, r"wrong_sign\(-2.31, -3\) gives -0.\d+, but cosh changes there by 0."),
        (cosh, infinite, r"infinite\(-2.31, -3\) gives nan, but cosh changes there by"),
        (corner, cosh, r"cosh\(.*\) gives .*, but corner changes there by .*: correct one"),
        (nowhere, cosh_derivative, "nowhere is finite nowhere near the targets"),
    ],
)
def test_a_derivative_that_is_not_that_of_the_value_is_refused(value, derivative, message):
    with pytest.raises(ParameterError, match=message):
        ElementLoss(value, derivative).targets(Y, 1, np.float64)


@pytest.mark.parametrize(
    ("value", "derivative", "error", "message"),
    [
        (1.0, cosh, ParameterError, "value is a function, got 1.0"),
        (cosh, three, ParameterError, r"derivative is a function of \(output, target\), got one"),
        (cosh, lambda z, t: z - t, UnsupportedSyntaxError, "use `def`"),
    ],
)
def test_what_is_no_function_of_two_numbers_is_refused(value, derivative, error, message):
    with pytest.raises(error, match=message):
        ElementLoss(value, derivative)
