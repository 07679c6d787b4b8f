"""What all commands share: help, exit codes, errors without a traceback."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

import netts
from netts.cli import COMMANDS, Command, main
from netts.errors import DataError, NettsError


@pytest.fixture
def command(monkeypatch):
    """Register a command called `probe` that does what a function says."""

    def register(behaviour):
        module = types.ModuleType("probe_command")
        module.add_arguments = lambda parser: None
        module.run = lambda options: behaviour()
        monkeypatch.setitem(sys.modules, "probe_command", module)
        monkeypatch.setitem(COMMANDS, "probe", Command("probe_command", "try something"))

    return register


def raising(error: BaseException):
    def behaviour():
        raise error

    return behaviour


def test_help_names_every_command_with_its_summary(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in printed
        assert entry.summary in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_of_its_own(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: netts {name} ")


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"netts {netts.__version__}\n"


def test_no_command_prints_the_help_as_an_error(capsys):
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: netts ")


@pytest.mark.parametrize("arguments", [["fly"], ["--fly"], ["devices", "--fly"]])
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "--help says what there is" in capsys.readouterr().err


def test_a_misspelt_option_is_named_with_the_likely_one(capsys):
    with pytest.raises(SystemExit):
        main(["train", "iris", "--epoch", "10"])
    assert capsys.readouterr().err == (
        "netts train: error: there is no option --epoch (did you mean '--epochs'?)\n"
        "netts train --help says what there is\n"
    )


def test_a_misspelt_command_is_named_with_the_likely_one(capsys):
    with pytest.raises(SystemExit):
        main(["trian", "iris"])
    assert capsys.readouterr().err.startswith(
        "netts: error: there is no command 'trian' (did you mean 'train'?); the commands are train,"
    )


def test_an_argument_too_many_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["inspect", "a.netts", "b.netts"])
    assert "'b.netts' is one argument too many" in capsys.readouterr().err


def test_the_exit_code_is_the_commands(command):
    command(lambda: 7)
    assert main(["probe"]) == 7


def test_an_error_of_netts_is_one_line_on_stderr_and_exits_with_1(command, capsys):
    command(raising(DataError("no table")))
    assert main(["probe"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "netts: no table\n")


@pytest.mark.parametrize("arguments", [["--debug", "probe"], ["probe", "--debug"]])
def test_debug_lets_the_error_through(command, arguments):
    command(raising(NettsError("no table")))
    with pytest.raises(NettsError, match=r"^no table$"):
        main(arguments)


def test_another_error_is_not_hidden(command):
    command(raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        main(["probe"])


def test_ctrl_c_exits_with_130(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert main(["probe"]) == 130
    assert capsys.readouterr().err == "netts: interrupted\n"


def test_a_reader_that_has_gone_is_no_traceback():
    program = (
        "import sys, netts.cli, types\n"
        "module = types.ModuleType('probe_command')\n"
        "module.add_arguments = lambda parser: None\n"
        "module.run = lambda options: [print('x' * 100) for _ in range(100_000)] and 0\n"
        "sys.modules['probe_command'] = module\n"
        "netts.cli.COMMANDS['probe'] = netts.cli.Command('probe_command', 'try')\n"
        "sys.exit(netts.cli.main(['probe']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_help_loads_no_command_and_nothing_heavy():
    program = (
        "import sys; from netts.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'sklearn', 'rich', 'netts.cli.train'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "netts", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"netts {netts.__version__}\n")
