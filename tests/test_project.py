"""Files outside the package that must agree with it."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

from netts.data import dataset_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_contains_every_bundled_table_and_its_sources():
    forced = settings()["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    files = {f"{name}.csv" for name in dataset_names()} | {"README.md"}
    assert forced == {f"datasets/{file}": f"netts/datasets/{file}" for file in files}


def test_the_readme_has_exactly_the_two_commands_that_ci_runs():
    assert re.findall(r"^<!-- ci: (\w+) -->$", README, re.MULTILINE) == ["train", "test"]
    marked = re.findall(r"^<!-- ci: \w+ -->\n```sh\n.*\n```$", README, re.MULTILINE)
    assert len(marked) == 2


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = settings()["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    for requirement in [*project["dependencies"], *extras]:
        assert re.split(r"[>=]", requirement)[0] in reasons, requirement


def test_the_readmes_python_runs(capsys, tmp_path):
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    # A file of its own: a kernel's source is read from where it stands.
    path = tmp_path / "example.py"
    path.write_text(example, encoding="utf-8")
    runpy.run_path(str(path))
    assert float(capsys.readouterr().out.split()[0]) > 0.9
