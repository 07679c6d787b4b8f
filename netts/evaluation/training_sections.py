"""What a page shows of a training: its learning curves, and what a step spends its time on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from netts.evaluation.page import Rows, Section
from netts.evaluation.plots import Plot, bar_plot, line_plot
from netts.graph.profile import Profile

MAX_EPOCHS_LISTED = 20

WIDE_RANGE = 20.0
"""From the least loss to the greatest, as a factor: more is drawn on a logarithmic scale."""


class Epochs(Protocol):
    """What a page needs of a `History`: a value for each epoch, or none at all."""

    @property
    def loss(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def validation_loss(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def validation_score(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def learning_rate(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def seconds(self) -> Sequence[float]: ...  # noqa: D102


def training_sections(history: Epochs | None, profile: Profile | None) -> list[Section]:
    """Return what there is."""
    sections = []
    if history is not None and len(history.loss):
        sections.append(_learning(history))
    if profile is not None and profile.rows:
        sections.append(_times(profile))
    return sections


def _learning(history: Epochs) -> Section:
    series = {
        "training": history.loss,
        "validation": history.validation_loss,
    }
    losses = {name: values for name, values in series.items() if len(values)}
    plots = [_over_epochs("loss", "Loss", losses, "loss")]
    if len(history.validation_score):
        scores = {"validation": history.validation_score}
        plots.append(_over_epochs("score", "Validation score", scores, "score"))
    if len(set(history.learning_rate)) > 1:
        rates = {"learning rate": history.learning_rate}
        plots.append(_over_epochs("rate", "Learning rate", rates, "learning rate"))
    n_epochs = len(history.loss)
    text = (
        f"{n_epochs:,} epochs in {sum(history.seconds):.3g} s. The training loss of an epoch is "
        "the mean over its batches, each before its update, penalty included."
    )
    return Section("Learning", text, plots=tuple(plots), tables=(_epoch_rows(history),))


def _over_epochs(name: str, title: str, series: dict[str, Sequence[float]], label: str) -> Plot:
    values = np.concatenate([np.asarray(one, float) for one in series.values()])
    is_wide = bool(values.min() > 0 and values.max() > WIDE_RANGE * values.min())
    lines = {key: (range(1, len(one) + 1), one) for key, one in series.items()}
    return line_plot(f"learning-{name}", title, lines, ("epoch", label), is_logarithmic=is_wide)


def _epoch_rows(history: Epochs) -> Rows:
    columns = {
        "loss": history.loss,
        "validation loss": history.validation_loss,
        "validation score": history.validation_score,
        "learning rate": history.learning_rate,
        "seconds": history.seconds,
    }
    n_epochs = len(history.loss)
    shown = {name: values for name, values in columns.items() if len(values) == n_epochs}
    places = np.unique(np.linspace(0, n_epochs - 1, min(n_epochs, MAX_EPOCHS_LISTED)).astype(int))
    rows = tuple(
        (str(place + 1), *(f"{values[place]:.4g}" for values in shown.values()))
        for place in places.tolist()
    )
    return Rows("Learning in numbers", ("epoch", *shown), rows, is_folded=True)


def _times(profile: Profile) -> Section:
    """Return the operations of a step, those of one name together, the longest first."""
    times: dict[str, float] = {}
    for row in profile.rows:
        times[row.label] = times.get(row.label, 0.0) + row.seconds
    ranked = dict(sorted(times.items(), key=lambda item: -item[1]))
    total = profile.seconds or 1.0
    bars = {label: seconds * 1e6 for label, seconds in ranked.items()}
    rows = tuple((label, f"{us:.2f}", f"{us / total / 1e6:.1%}") for label, us in bars.items())
    text = (
        f"One training step takes {profile.seconds * 1e6:.1f} µs on {profile.device}, the mean of "
        f"{profile.steps} steps, and the reading of the clock counts in it."
    )
    if profile.traffic is not None:
        text += f" All of them together: {profile.traffic}."
    return Section(
        "Time per operation",
        text,
        plots=(bar_plot("times", "Time of a training step", bars, "microseconds"),),
        tables=(Rows("Operations", ("operation", "µs", "share"), rows, is_folded=True),),
    )
