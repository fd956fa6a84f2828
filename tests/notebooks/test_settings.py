"""The settings themselves: what the comparison passes over, and the network that is not there."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = Path(__file__).with_name("sanitize.cfg")


def sanitize(text):
    rules = configparser.RawConfigParser()
    rules.read_string(SETTINGS.read_text(encoding="ascii"))
    for name in rules.sections():
        text = re.sub(rules.get(name, "regex"), rules.get(name, "replace"), text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IoU ≈ 0.873", "IoU ≈ 0.9"),
        ("IoU ≈0.873, Dice ≈ 0.9.", "IoU ≈0.8, Dice ≈ 0.95."),
        ("took ≈ 12 s", "took ≈  9 s"),
        ("≈ 87 % of pixels", "≈ 86.5% of pixels"),
        ("loss ≈ -1.5e-05", "loss ≈ 2"),
        ("1,234 pixels ≈ 1,234", "1,234 pixels ≈ 999"),
    ],
)
def test_numbers_made_by_training_may_differ(one, other):
    assert sanitize(one) == sanitize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IoU 0.873", "IoU 0.872"),
        ("took ≈ 12 s", "took ≈ 12 min"),
        ("IoU ≈ nan", "IoU ≈ 0.8"),
        ("≈ 0.8 of 60 images", "≈ 0.8 of 61 images"),
    ],
)
def test_everything_else_is_compared(one, other):
    assert sanitize(one) != sanitize(other)


@pytest.mark.parametrize(
    ("code", "host"),
    [
        ("import socket; socket.create_connection(('203.0.113.1', 80), 1)", "203.0.113.1"),
        ("import socket; socket.socket().connect(('203.0.113.1', 80))", "203.0.113.1"),
        ("import urllib.request as r; r.urlopen('http://example.invalid')", "example.invalid"),
    ],
)
def test_the_network_is_refused_and_noted(code, host, tmp_path):
    log = tmp_path / "log"
    variables = {
        "PYTHONPATH": str(SETTINGS.with_name("sitecustomize_dir")),
        "UNET_NETWORK_LOG": str(log),
    }
    outcome = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True)
    assert b"without a network" in outcome.stderr
    assert host in log.read_text()
