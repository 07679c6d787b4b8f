"""What one can look at: explanations, profiles, loss curves, hidden activations, versions."""

import numpy as np
import pytest
from estimator_cases import data, estimator, fit
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_network_estimators import network_estimator

import netts
from netts import layers
from netts.compiler.blas_library import blas_library
from netts.errors import MissingPackageError, ParameterError
from netts.estimators import LossCurveDisplay, MLPTransformer
from netts.training import StepDrawing, StepProfile

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("make", [estimator, network_estimator])
def test_an_explanation_says_where_why_and_what(make):
    model = fit(make("multiclass", device="cpu", n_threads=1), *data("multiclass"))
    text = model.explain()
    assert "trained on cpu (asked for), 1 thread, in float64" in text
    assert f"{model.n_iter_} epochs, ended by epochs" in text
    assert "Dense" in text
    with pytest.raises(NotFittedError):
        make("multiclass").explain()


def test_a_profile_of_steps():
    model = estimator("regression", callbacks=[StepProfile(steps=2)])
    with pytest.raises(AttributeError, match="StepProfile"):
        _ = model.profile_
    assert "dense_forward" in str(fit(model, *data("regression")).profile_)


@pytest.mark.parametrize("make", [estimator, network_estimator])
def test_a_drawing_of_a_step(make):
    model = make("regression", callbacks=[StepDrawing()])
    with pytest.raises(AttributeError, match=r"callbacks=\[netts\.training\.StepDrawing\(\)\]"):
        _ = model.drawing_
    assert "dense_forward" in fit(model, *data("regression")).drawing_.svg


@pytest.fixture
def pyplot():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_loss_curves_are_those_of_the_fit(pyplot):
    X, y = data("binary", 60)
    model = fit(estimator("binary"), X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    display = LossCurveDisplay.from_estimator(model, name="mine", linewidth=3)
    loss, validation, score = display.lines_
    assert loss.get_label() == "mine: loss"
    assert loss.get_linewidth() == 3
    assert loss.get_ydata().tolist() == model.loss_curve_
    assert validation.get_ydata().tolist() == model.history_.validation_loss
    assert score.get_ydata().tolist() == model.validation_scores_
    assert display.figure_ is display.ax_.figure


def test_loss_curves_side_by_side_also_of_scikit_learns_and_of_pipelines(pyplot):
    X, y = data("binary", 60)
    _, ax = pyplot.subplots()
    theirs = fit(TheirClassifier(max_iter=3), X, y)
    piped = make_pipeline(StandardScaler(), estimator("binary", max_iter=3)).fit(X, y)
    for model in (theirs, piped):
        assert len(LossCurveDisplay.from_estimator(model, ax=ax).lines_) == 1
    assert len(ax.lines) == 2
    with pytest.raises(ParameterError, match="StandardScaler has no loss_curve_"):
        LossCurveDisplay.from_estimator(piped[0])


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    import sys

    model = fit(estimator("binary"), *data("binary"))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError, match=r"netts-engine\[report\]"):
        LossCurveDisplay.from_estimator(model)


@pytest.mark.parametrize("layer", [0, 1, -1, -2])
def test_hidden_activations_by_hand(layer):
    X, y = data("multiclass")
    inner = estimator("multiclass", activation="tanh", dropout=0.2)
    found = fit(MLPTransformer(inner, layer=layer), X, y)
    model = found.estimator_
    hidden = [np.tanh(X @ model.coefs_[0] + model.intercepts_[0])]
    hidden.append(np.tanh(hidden[0] @ model.coefs_[1] + model.intercepts_[1]))
    assert_allclose(found.transform(X), hidden[layer])
    assert found.get_feature_names_out()[0] == "mlptransformer0"


def test_hidden_activations_of_images_lie_in_one_axis():
    X = np.random.default_rng(0).normal(size=(20, 1, 6, 6))
    model = network_estimator("regression", layers=[layers.Conv2D(2, kernel_size=3)], epochs=1)
    features = MLPTransformer(model, layer=0).fit_transform(X, X[:, 0, 0, 0])
    assert features.shape == (20, 2 * 4 * 4)
    conv = MLPTransformer(model, layer=0).fit(X, X[:, 0, 0, 0])
    assert_allclose(conv.network_.predict(X).reshape(20, -1), features)


def test_hidden_activations_as_a_frame():
    pandas = pytest.importorskip("pandas")
    X, y = data("binary")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    made = MLPTransformer(estimator("binary")).set_output(transform="pandas")
    out = fit(made, frame, y).transform(frame)
    assert out.columns.tolist() == [f"mlptransformer{k}" for k in range(4)]


def test_layers_and_estimators_that_are_not_there():
    X, y = data("binary")
    with pytest.raises(ParameterError, match="there are 2 layers: choose from -2 to 1"):
        MLPTransformer(estimator("binary"), layer=2).fit(X, y)
    with pytest.raises(ParameterError, match="one of netts's"):
        MLPTransformer(TheirClassifier()).fit(X, y)


@pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")
@parametrize_with_checks([MLPTransformer(netts.MLPClassifier(max_iter=5, random_state=0))])
def test_scikit_learns_checks_of_the_transformer(estimator, check):
    check(estimator)


def test_versions_are_printed(capsys):
    netts.show_versions()
    printed = capsys.readouterr().out
    assert f"netts: {netts.__version__}" in printed
    assert "numpy" in printed
    assert "cpu:" in printed
    assert f"BLAS: {blas_library().description}" in printed
