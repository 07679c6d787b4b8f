"""Pages: whole, safe with any names, the same every time, small, and made for everyone's eyes."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pages import check_page

from netts import Network, Trainer, layers
from netts.errors import MissingPackageError, ModelFileError
from netts.evaluation import (
    Page,
    Rows,
    Section,
    evaluate_classes,
    evaluate_quantities,
    training_sections,
)
from netts.evaluation.plots import line_plot, shown
from netts.training import Epoch, History, StepProfile

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg></title></style><b>",
    "$\\frac{1}{", "{{ 7 * 7 }}", "{% raw %}", "]]>", "<!--", "&lt;&#0;",
    "tab\tand\nline",
    "\x00\x07\x1b[31m", "\ud800", "\u202egnirts", "日本語 Größe 🙂", "", "x" * 5000,
)  # fmt: skip

rng = np.random.default_rng(0)


def classes_of(labels, n_samples=200):
    codes = rng.integers(0, len(labels), n_samples)
    logits = rng.normal(size=(n_samples, len(labels))) + 2 * np.eye(len(labels))[codes]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(labels, object)
    predicted = names[probabilities.argmax(axis=1)]
    return evaluate_classes(names[codes], predicted, labels, probabilities=probabilities)


def quantities_of(n_samples, n_outputs=1, names=None):
    true = rng.normal(size=(n_samples, n_outputs))
    predicted = true + 0.1 * rng.normal(size=true.shape)
    return evaluate_quantities(true, predicted, n_features=3, output_names=names)


@pytest.fixture(scope="module")
def training():
    X = rng.normal(size=(60, 3))
    watch = StepProfile()
    trainer = Trainer(
        Network([layers.Dense(4, "relu"), layers.Dense(2)]), epochs=30, batch_size=16,
        validation_fraction=0.2, callbacks=[watch], schedule="inverse_scaling", random_state=0,
    )  # fmt: skip
    return {"history": trainer.fit(X, (X[:, 0] > 0).astype(int)), "profile": watch.profile_}


def saved(evaluation, tmp_path, **options):
    path = tmp_path / "page.html"
    evaluation.save_html(path, **options)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("n_classes", [1, 2, 3, 13, 31, 50])
def test_any_number_of_classes_makes_a_page(tmp_path, n_classes):
    evaluation = classes_of([f"kind {k}" for k in range(n_classes)], 400)
    page = check_page(saved(evaluation, tmp_path, title="Kinds"))
    assert page.all_of("h1") == ["Kinds"]
    assert {"Scores", "Confusions", "Ranking", "Calibration"} <= set(page.all_of("h2"))
    assert "kind 0" in page.all_of("th")
    n_plots = [tag for tag, _ in page.elements].count("svg")
    assert n_plots == {1: 2, 50: 3}.get(n_classes, 4)


def test_a_page_shows_the_scores_that_the_text_has(tmp_path):
    evaluation = classes_of(["a", "b", "c"])
    page = check_page(saved(evaluation, tmp_path))
    report = evaluation.report
    assert page.all_of("dd")[:3] == [
        f"{value:.3f}" for value in (report.accuracy, report.balanced_accuracy, report.mcc)
    ]
    cells = page.all_of("td")
    for scores in report.classes:
        assert f"{scores.specificity:.3f}" in cells


@pytest.mark.parametrize("n_outputs", [1, 2, 6])
def test_quantities_make_a_page(tmp_path, n_outputs):
    page = check_page(saved(quantities_of(300, n_outputs), tmp_path))
    assert [tag for tag, _ in page.elements].count("svg") == 3 * min(n_outputs, 4)
    assert "median" in page.all_of("th")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        ([1.0], [2.0]),
        ([3.0] * 5, [3.0] * 5),
        ([1e17] * 5, [0.0] * 5),
        (1e150 * rng.uniform(-1, 1, 20), 1e150 * rng.uniform(-1, 1, 20)),
        (1e-300 * rng.normal(size=20), 1e-300 * rng.normal(size=20)),
        (1e10 + 1e-6 * rng.normal(size=20), [1e10] * 20),
    ],
)
def test_quantities_of_any_size_make_a_page(tmp_path, true, predicted):
    check_page(saved(evaluate_quantities(true, predicted), tmp_path))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "losses", [[1.0], [1.0, math.nan], [math.inf, 1.0], [0.0, 0.0], [1e300, 1e-300, 1.0]]
)
def test_losses_of_any_kind_make_a_page(losses):
    epochs = [Epoch(k + 1, loss, loss, loss, 0.1 / (k + 1), 0.5) for k, loss in enumerate(losses)]
    page = check_page(Page("Learning", training_sections(History(epochs), None)).render())
    assert page.all_of("h2") == ["Learning"]


def test_several_labels_make_a_page(tmp_path):
    true = (rng.random((80, 3)) > 0.5).astype(int)
    evaluation = evaluate_classes(true, 1 - true, HOSTILE[:3], probabilities=rng.random((80, 3)))
    page = check_page(saved(evaluation, tmp_path))
    assert set(HOSTILE[:3]) <= set(page.all_of("th"))


def test_a_training_adds_its_curves_and_times(tmp_path, training):
    page = check_page(saved(classes_of(["a", "b"]), tmp_path, **training))
    assert {"Learning", "Time per operation"} <= set(page.all_of("h2"))
    captions = page.all_of("figcaption")
    assert {"Loss", "Validation score", "Learning rate", "Time of a training step"} <= set(captions)
    assert {"training", "validation", "adam"} <= set(page.all_of("text"))


@pytest.mark.filterwarnings("error")
def test_names_of_any_kind_are_text_and_nothing_else(tmp_path):
    html = saved(classes_of(list(HOSTILE)), tmp_path, title=HOSTILE[0])
    page = check_page(html)
    assert page.all_of("h1") == page.all_of("title")[:1] == [HOSTILE[0]]
    rows = page.all_of("th")
    for name in HOSTILE:
        if name.isprintable() and name:
            assert name in rows
    assert "$\\frac{1}{: " in "".join(page.all_of("text"))


def test_names_of_outputs_and_facts_are_text_too():
    evaluation = quantities_of(50, 3, names=HOSTILE[:3])
    facts = dict(zip(HOSTILE, HOSTILE[::-1], strict=True))
    table = Rows(HOSTILE[0], HOSTILE[:2], (HOSTILE[1:3],))
    folded = Rows(HOSTILE[1], HOSTILE[:2], (HOSTILE[1:3],), is_folded=True)
    plot = line_plot("line", HOSTILE[2], {HOSTILE[0]: ([1], [2])}, (HOSTILE[3], HOSTILE[1]))
    own = Section(HOSTILE[0], HOSTILE[1], facts, (plot,), (table, folded))
    page = check_page(Page(HOSTILE[0], [*evaluation.sections(), own], facts).render())
    assert f"Residuals of {HOSTILE[0]}" in page.all_of("h2")
    assert page.all_of("dt").count(HOSTILE[1]) == 2
    assert HOSTILE[2] in page.all_of("desc") or HOSTILE[2] in page.all_of("figcaption")


def test_the_same_evaluation_gives_the_same_bytes(tmp_path, training):
    evaluation = classes_of(["a", "b", "c"])
    assert saved(evaluation, tmp_path, **training) == saved(evaluation, tmp_path, **training)


def test_a_users_own_settings_of_matplotlib_change_nothing(tmp_path):
    import matplotlib as mpl

    evaluation = quantities_of(20)
    plain = saved(evaluation, tmp_path)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": False}):
        assert saved(evaluation, tmp_path) == plain
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("evaluation", "most"),
    [
        (quantities_of(20_000), 320_000),
        (classes_of([f"kind {k}" for k in range(10)], 5_000), 300_000),
        (classes_of([f"kind {k}" for k in range(40)], 5_000), 800_000),
    ],
)
def test_a_page_stays_small_however_many_rows(tmp_path, evaluation, most):
    assert len(saved(evaluation, tmp_path).encode()) < most


def test_plots_take_their_colours_from_the_page_which_knows_light_and_dark(tmp_path):
    html = saved(classes_of(["a", "b"]), tmp_path)
    styles = " ".join(check_page(html).attributes("style"))
    assert "var(--series-1)" in styles
    assert "var(--ink)" in styles
    assert "#" not in styles.replace("url(#", "")
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_every_plot_says_what_it_is_to_those_who_cannot_see_it(tmp_path):
    page = check_page(saved(classes_of(["a", "b"]), tmp_path))
    assert "true positive rate over false positive rate" in page.all_of("desc")
    assert page.all_of("title")[1:] == page.all_of("figcaption")


def test_names_are_short_in_plots():
    assert shown("x" * 5000) == "x" * 21 + "…"
    assert shown("a\n\x00\ud800b") == "a ��b"


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch, package):
    for module in [one for one in sys.modules if one.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"there is no {package}.*: pip install 'netts-engine\[report\]'"
    with pytest.raises(MissingPackageError, match=message):
        quantities_of(10).save_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="there is no directory"):
        quantities_of(10).save_html(tmp_path / "nowhere" / "page.html")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium")
def test_a_browser_without_a_network_shows_every_plot(tmp_path, training):
    html = saved(classes_of(list(HOSTILE[:5])), tmp_path, **training)
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [
        "chromium", "--headless", "--no-sandbox", *quiet.split(), "--disable-component-update",
        "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        (tmp_path / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("<svg") == html.count("<svg") == 8
    assert "<script" not in done.stdout
