"""The examples that CI tries depend on the code alone, not on what else is loaded nor on hashes."""

from __future__ import annotations

from pathlib import Path

from processes import run

SCRIPT = """
import hashlib, importlib.util, sys
folder, *loaded = sys.argv[1:]
sys.path.insert(0, folder)
for name in loaded:
    importlib.import_module(name)
spec = importlib.util.spec_from_file_location("conftest", f"{folder}/../conftest.py")
spec.loader.exec_module(importlib.util.module_from_spec(spec))

from hypothesis import given, settings, strategies as st
from loop_strategies import loop_programs

texts = []

@settings(max_examples=10, database=None)
@given(loop_programs(), st.integers(), st.floats())
def collect(program, number, real):
    texts.append(f"{program.text} {number} {real}")

collect()
print(len(texts), hashlib.sha256("".join(texts).encode()).hexdigest())
"""


def test_ci_tries_the_same_examples_whatever_is_loaded(tmp_path):
    script, folder = tmp_path / "examples.py", Path(__file__).parent
    script.write_text(SCRIPT)
    other = tmp_path / "numbers_of_its_own.py"
    other.write_text(f"NUMBERS = {[*range(1000, 2000)]}, {[one / 7 for one in range(99)]}")
    first = run(script, str(folder), CI="true", PYTHONHASHSEED="1")
    second = run(
        script, str(folder), other.stem, "wild_strategies", "netts.training",
        CI="true", PYTHONHASHSEED="2",
    )  # fmt: skip
    assert first == second
