"""The installation check tells what is amiss and what to do."""

import importlib.metadata

import pytest

from unet_helpers.classroom import installation


def test_all_is_well_here(capsys):
    assert installation.check_installation()
    assert capsys.readouterr().out.count("fine") == len(installation.CHECKS)


@pytest.mark.parametrize("found", [(3, 10), (3, 14)])
def test_another_python_is_named(monkeypatch, capsys, found):
    monkeypatch.setattr(installation.sys, "version_info", (*found, 0))
    assert not installation.check_installation()
    assert f"found {found[0]}.{found[1]}: make the environment anew" in capsys.readouterr().out


def test_an_old_or_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(installation.NEEDED, "keras", (99, 0))
    assert "keras 99.0 or newer is needed, found 3." in installation._packages()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert "found none: install" in installation._packages()


def test_a_full_disk_is_told(monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(installation.tempfile, "TemporaryDirectory", full)
    assert "No space left on device: free some disk space" in installation._writing()
