import json
import os
import subprocess
import sys

import pytest

from unet_helpers.classroom import lab as lab_module
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.lab import lab, lab_command, lab_environment


def test_it_serves_this_computer_only_and_keeps_the_token(tmp_path):
    command = lab_command(tmp_path / "work")
    assert "--ServerApp.ip=127.0.0.1" in command
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in command
    assert not [word for word in command if "token" in word.lower() or "password" in word.lower()]


def test_it_opens_the_first_notebook_where_there_is_one(tmp_path):
    work = tmp_path / "work"
    assert "--LabApp.default_url=/lab/tree/work" in lab_command(work)
    work.mkdir()
    (work / "00_start_here.ipynb").write_text("{}")
    assert "--LabApp.default_url=/lab/tree/work/00_start_here.ipynb" in lab_command(work)


def test_the_options_pass_through(tmp_path):
    command = lab_command(tmp_path, browser=False, port=8899)
    assert {"--no-browser", "--ServerApp.port=8899"} <= set(command)
    assert "--no-browser" not in lab_command(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no user ids")
@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_to_root(uid, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert ("--allow-root" in lab_command(tmp_path)) is allowed


def test_its_settings_come_before_others_and_stay_out_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "theirs")
    ours, theirs = lab_environment(tmp_path)["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert theirs == "theirs" and ours == str(tmp_path.resolve() / ".jupyter")
    settings = tmp_path / ".jupyter" / "labconfig" / "default_setting_overrides.json"
    assert json.loads(settings.read_text()) == lab_module.NO_NOTICES


def test_it_refreshes_the_copies_and_returns_the_servers_status(
    tmp_path, write_notebook, monkeypatch
):
    course = tmp_path / "notebooks"
    write_notebook(course / "00_start_here.ipynb", "1")
    stand_in = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(lab_module, "lab_command", lambda *_, **__: stand_in)
    assert lab(course, tmp_path / "work") == 3
    assert (tmp_path / "work" / "00_start_here.ipynb").exists()


def test_ctrl_c_is_a_clean_end_even_where_the_server_did_not_hear_it(tmp_path, monkeypatch):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    wait, calls = subprocess.Popen.wait, []

    def interrupted(self, timeout=None):
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(lab_module, "lab_command", lambda *_, **__: sleeper)
    monkeypatch.setattr(lab_module, "SECONDS_TO_END", 0.1)
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    assert lab(tmp_path, tmp_path / "work") == 0


def test_a_port_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="from 1 to 65535, found 0"):
        lab(tmp_path, tmp_path / "work", port=0)
