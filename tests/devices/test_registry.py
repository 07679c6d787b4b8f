"""The choice of a device: argument, then context, then environment, then the fastest."""

from __future__ import annotations

import threading

import pytest

import netts
from netts import devices
from netts.devices import registry
from netts.errors import DeviceError

KNOWN = ["cpu", "reference"]
"""Those that every machine has; `test_cuda_driver` has the other."""


@pytest.fixture(autouse=True)
def machine(monkeypatch, no_gpu):
    """A machine without a GPU, and without a device in its environment."""
    monkeypatch.delenv(registry.ENVIRONMENT_VARIABLE, raising=False)


def test_every_device_is_described():
    found = devices.available()
    assert [one.name for one in found] == ["cpu", "cuda", "reference"]
    assert all(one.description for one in found)
    assert all(one.is_available for one in found if one.name in KNOWN)


def test_auto_is_the_cpu_where_nothing_else_is_and_open_where_there_is_a_gpu(fake_gpu):
    assert devices.choose() == devices.choose("auto") == "auto"
    with devices.device("cpu"), devices.device("auto") as name:
        assert name == "cpu"
    with devices.device("auto") as name:
        assert name == devices.choose() == "auto"


def test_a_machine_without_a_gpu_is_asked_for_one_once(monkeypatch):
    asked = []

    def describe():
        asked.append(True)
        return registry.DeviceInfo("cuda", False, "no driver: none")

    monkeypatch.setitem(registry._DEVICES, "cuda", describe)
    assert [devices.choose("auto") for _ in range(3)] == ["cpu"] * 3
    assert len(asked) == 1


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_is_taken(name, monkeypatch):
    monkeypatch.setenv("NETTS_DEVICE", "reference" if name == "cpu" else "cpu")
    with devices.device("reference" if name == "cpu" else "cpu"):
        assert devices.choose(name) == name


@pytest.mark.parametrize("name", KNOWN)
def test_the_environment_is_asked_where_no_context_chose(name, monkeypatch):
    monkeypatch.setenv("NETTS_DEVICE", name)
    assert devices.choose("auto") == name
    with devices.device("reference"):
        assert devices.choose("auto") == "reference"
    assert devices.choose("auto") == name


@pytest.mark.parametrize("value", ["", "auto"])
def test_an_environment_that_leaves_it_open_chooses_nothing(value, monkeypatch):
    monkeypatch.setenv("NETTS_DEVICE", value)
    assert devices.choose("auto") == "cpu"


def test_contexts_nest_and_end():
    with netts.device("reference") as outer:
        assert (outer, devices.choose()) == ("reference", "reference")
        with netts.device("cpu") as inner:
            assert (inner, devices.choose()) == ("cpu", "cpu")
        assert devices.choose() == "reference"
        with netts.device("auto") as same:
            assert (same, devices.choose()) == ("reference", "reference")
    assert devices.choose() == "cpu"


def test_a_context_ends_with_an_error_too():
    with pytest.raises(ZeroDivisionError), netts.device("reference"):
        _ = 1 / 0
    assert devices.choose() == "cpu"


def test_another_thread_has_its_own_context():
    found = []
    with netts.device("reference"):
        thread = threading.Thread(target=lambda: found.append(devices.choose()))
        thread.start()
        thread.join()
    assert found == ["cpu"]


@pytest.mark.parametrize(
    ("argument", "context", "environment", "expected"),
    [
        ("reference", "cpu", "cpu", ("reference", "asked for")),
        ("auto", "reference", "cpu", ("reference", "chosen by `with netts.device(...)`")),
        ("auto", None, "reference", ("reference", "chosen by NETTS_DEVICE")),
        ("auto", None, "auto", ("cpu", "no GPU can be used: no driver")),
        ("auto", None, None, ("cpu", "no GPU can be used: no driver")),
    ],
)
def test_the_reason_of_the_choice_is_told(argument, context, environment, expected, monkeypatch):
    if environment:
        monkeypatch.setenv("NETTS_DEVICE", environment)
    with netts.device(context or "auto"):
        if context:
            assert registry.explain_choice(argument) == expected
    if not context:
        assert registry.explain_choice(argument) == expected


@pytest.mark.parametrize(
    "name", ["gpu", "CPU", "", "cpu:0", "cuda:", "cuda:-1", "cuda:01", None, 0]
)
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    known = "'auto', 'cpu', 'cuda', 'reference'"
    message = rf"no device {name!r}, asked for; choose one of {known}; of several GPUs, .*'cuda:1'"
    with pytest.raises(DeviceError, match=message):
        devices.choose(name)
    with pytest.raises(DeviceError, match=message), netts.device(name):
        pass
    assert devices.choose() == "cpu"


def test_an_unknown_name_of_the_environment_says_where_it_came_from(monkeypatch):
    monkeypatch.setenv("NETTS_DEVICE", "tpu")
    with pytest.raises(DeviceError, match="there is no device 'tpu', chosen by NETTS_DEVICE"):
        devices.choose("auto")
    assert devices.choose("cpu") == "cpu"
