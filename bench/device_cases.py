"""Fits and predictions with a device that is named, or left to "auto"."""

from __future__ import annotations

import functools
import time
import warnings
from typing import Any

from bench.prediction_cases import few, repeated

WAYS = {"netts": "auto", "netts, device named": "cpu"}
"""The way to say a device by the name in the tables."""


@functools.cache
def classifier(way: str) -> Any:
    from netts import MLPClassifier

    warnings.simplefilter("ignore")  # an epoch is too little to converge
    return MLPClassifier(max_iter=1, random_state=0, device=WAYS[way])


def first_fit(way: str) -> tuple[float, dict[str, str]]:
    """Return the seconds of the first fit of this process, imports done, and what was chosen."""
    X, y = few()
    estimator = classifier(way)
    start = time.perf_counter()
    estimator.fit(X, y)
    return time.perf_counter() - start, {"device": estimator.device_}


def later_call(way: str, call: str, round_seconds: float) -> tuple[float, dict[str, str]]:
    """Return the seconds of a fit or a prediction of a process that has made some."""
    X, y = few()
    estimator = classifier(way).fit(X, y)
    asked = (lambda: estimator.fit(X, y)) if "fit" in call else (lambda: estimator.predict(X[:1]))
    return repeated(asked, round_seconds), {"device": estimator.device_}
