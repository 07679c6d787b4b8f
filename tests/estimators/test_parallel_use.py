"""Estimators in threads and processes: right results, no abort, no deadlock, threads enough."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from fitting_elsewhere import classifier, fit_in_child, fitted_coefs, standardised_wine
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}",
    # Python 3.12 warns of any fork in a process with threads; the child is what is tested.
    "ignore:.*fork:DeprecationWarning",
)

N_THREADS = 4
SECONDS = 120
"""How long a child may take before it counts as hanging."""


@pytest.fixture(scope="module")
def wine() -> tuple[np.ndarray, np.ndarray]:
    return standardised_wine()


def assert_close(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    # Another number of threads may round a matrix product otherwise.
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_threads_that_fit_at_once_get_what_they_get_alone(wine):
    alone = [fitted_coefs(seed, *wine) for seed in range(N_THREADS)]
    with ThreadPoolExecutor(N_THREADS) as pool:
        together = list(pool.map(lambda seed: fitted_coefs(seed, *wine), range(N_THREADS)))
    for found, expected in zip(together, alone, strict=True):
        assert_close(found, expected)


def test_a_thread_pool_of_predictions_with_one_estimator(wine):
    X, y = wine
    estimator = classifier().fit(X, y)
    alone = [estimator.predict_proba(X[: 20 + k]) for k in range(40)]
    with ThreadPoolExecutor(N_THREADS) as pool:
        together = list(pool.map(lambda k: estimator.predict_proba(X[: 20 + k]), range(40)))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_grid_search_over_processes_finds_what_one_process_finds(wine):
    grid = {"alpha": [0.0, 0.1], "hidden_layer_sizes": [(16,), (256, 256)]}
    searches = [
        GridSearchCV(classifier(), grid, cv=2, n_jobs=n_jobs).fit(*wine) for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_allclose(*scores, atol=0.02)  # one row more or less


def test_loky_workers_use_no_more_threads_than_there_are_processors():
    counts = Parallel(n_jobs=2)(delayed(fit_in_child)(seed) for seed in range(2))
    assert sum(n_threads for n_threads, _ in counts) <= max(multiprocessing.cpu_count(), 2)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_gives_the_results_of_one_process(wine, backend):
    alone = [fitted_coefs(seed, *wine) for seed in range(2)]
    together = Parallel(n_jobs=2, backend=backend)(
        delayed(fitted_coefs)(seed, *wine) for seed in range(2)
    )
    for found, expected in zip(together, alone, strict=True):
        assert_close(found, expected)


def test_cross_validation_over_processes(wine):
    one, two = (cross_val_predict(classifier(), *wine, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert np.mean(one == two) > 0.98


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_process_after_a_fit_fits_too(wine, method):
    expected = fitted_coefs(0, *wine)  # the parent's threads and BLAS have run
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for future in [pool.submit(fit_in_child, 0) for _ in range(2)]:
            n_threads, found = future.result(timeout=SECONDS)
            assert_close(found, expected)
            assert method != "fork" or n_threads == 1
