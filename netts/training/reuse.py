"""Sessions that outlive their fit: the next one, on samples of the same form, records nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from netts.devices.registry import HOST
from netts.training.session import Session
from netts.training.supply import Samples


class KeptSession:
    """Room for one session on the host, given to the fit that asks for what it was made for.

    A session that is kept has copies of its samples, which those of the next fit overwrite. It is
    out while a fit runs, and only comes back where the fit ended well.
    """

    def __init__(self) -> None:
        self._purpose: tuple[Any, ...] = ()
        self._session: Session | None = None

    def take(
        self, purpose: tuple[Any, ...], training: Samples, words: np.ndarray
    ) -> Session | None:
        """Return the session, for these samples; None where there is none for that purpose.

        Parameters
        ----------
        purpose
            All that a session is made of, but for the samples' values.
        training
        words
            What random layers draw from.
        """
        session, self._session = self._session, None
        if session is None or self._purpose != (*purpose, *_form(training)):
            return None
        session.renew(training, words)
        return session

    def put(self, purpose: tuple[Any, ...], session: Session) -> None:
        """Keep a session, if it runs on the host and its samples are all there."""
        if session.plan.device == HOST and not session.feed.supply.is_streamed:
            self._purpose = (*purpose, *_form(session.feed.samples))
            self._session = session


def owned(samples: Samples) -> Samples:
    """Return samples of which nobody else has the memory."""
    weights = None if samples.weights is None else samples.weights.copy()
    X = samples.X.copy() if isinstance(samples.X, np.ndarray) else samples.X
    return Samples(X, samples.y.copy(), weights)


def _form(samples: Samples) -> tuple[Any, ...]:
    X, y = samples.X, samples.y
    return type(X), X.shape, X.dtype, y.shape, y.dtype, samples.weights is None
