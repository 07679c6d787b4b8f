"""docs/task-graph.md prints and draws what it shows; what it shows of a GPU, on a fake one."""

from __future__ import annotations

import doctest
import re
import sys
import types
from pathlib import Path

import pytest
from fake_gpu import install

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "task-graph.md").read_text(encoding="utf-8")
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OUTPUT = {"python": "output", "py": "text"}
"""By the language of blocks, that of what they print: `py` are those that need a GPU."""


def without_costs(text: str) -> str:
    """Leave out the digest of the costs: the number of cores is one of them."""
    return re.sub(r"costs: defaults \([0-9a-f]+\)", "costs: defaults", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run the page; return where, and what each block was to print and has printed."""
    directory = tmp_path_factory.mktemp("page")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        module = types.ModuleType("page")
        patch.setitem(sys.modules, "page", module)
        for number, (language, block) in enumerate(found):
            if language not in OUTPUT:
                continue
            path = directory / f"block_{number}.py"  # a kernel's source is read from there
            path.write_text(block, encoding="utf-8")
            text = ran(compile(block, str(path), "exec"), module, is_on_gpu=language == "py")
            if found[number + 1 : number + 2] and found[number + 1][0] == OUTPUT[language]:
                printed.append((found[number + 1][1], text))
    return directory, printed


def ran(code: types.CodeType, module: types.ModuleType, *, is_on_gpu: bool) -> str:
    """Run a block and return what it prints."""
    lines: list[str] = []

    def print_line(*values: object, sep: str = " ") -> None:
        lines.append(sep.join(map(str, values)))

    vars(module)["print"] = print_line
    with pytest.MonkeyPatch.context() as patch:
        if is_on_gpu:
            install(patch)
        exec(code, vars(module))
    return "\n".join([*lines, ""])


# As in scikit-learn, so few epochs may be too few to converge; the page is about other things.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_blocks_print_what_stands_below_them(made):
    _, printed = made
    assert len(printed) >= 8
    for shown, text in printed:
        assert doctest.OutputChecker().check_output(shown, text, LENIENT), text


def test_drawings_are_those_that_the_page_makes(made):
    directory, _ = made
    shown = set(re.findall(r"\]\(drawings/([\w-]+\.svg)\)", PAGE))
    kept = {path.name for path in (DOCS / "drawings").iterdir()}
    assert shown == kept == {path.name for path in directory.glob("*.svg")}
    for name in shown:
        current = (directory / name).read_text(encoding="utf-8")
        there = (DOCS / "drawings" / name).read_text(encoding="utf-8")
        is_same = without_costs(current) == without_costs(there)
        assert is_same, f"docs/drawings/{name} is not current: copy {directory / name} there"
