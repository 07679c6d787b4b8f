"""`netts devices` names what there is."""

from __future__ import annotations

from netts.cli import main
from netts.devices import available


def test_every_device_is_listed_with_its_state(capsys):
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(available())
    for line, device in zip(lines, available(), strict=True):
        state = "available" if device.is_available else "not available"
        assert line.split()[0] == device.name
        assert f"  {state} " in line
        assert line.endswith(device.description)


def test_the_cpu_is_always_available(capsys):
    assert main(["devices"]) == 0
    assert any(
        line.startswith("cpu") and "not available" not in line
        for line in capsys.readouterr().out.splitlines()
    )
