"""How many threads: as many as numba would take, without asking it."""

from __future__ import annotations

import json

import numba
import pytest
from processes import run

from netts.compiler import threads

SCRIPT = """\
import json, sys
from netts.compiler import threads
found = [threads.most_threads(), threads.threads_of_numba(), "numba" in sys.modules]
import numba
found += [threads.most_threads(), threads.threads_of_numba()]
numba.set_num_threads(1)
found += [threads.most_threads(), threads.threads_of_numba()]
print(json.dumps(found))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_the_environment_decides_before_numba_is_there_and_numba_after(script):
    found = json.loads(run(script, NUMBA_NUM_THREADS="3"))
    assert found == [3, 3, False, 3, 3, 3, 1]


def test_without_a_word_it_is_the_cores_as_numba_counts_them(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert threads._from_environment() == numba.config.NUMBA_DEFAULT_NUM_THREADS


@pytest.mark.parametrize(("word", "number"), [("2", 2), ("0", 1), ("-3", 1)])
def test_a_number_below_one_is_one(word, number, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", word)
    assert threads._from_environment() == number
