"""The command `app` up to its server, which tests/browser/test_app.py starts."""

import json
from pathlib import Path

import nbformat
import pytest

from unet_helpers.__main__ import main
from unet_helpers.classroom import app as app_module


def test_the_page_opens_the_run_and_takes_large_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.keras").touch()
    seen = {}

    def serve(command: list[str], environment: dict[str, str]) -> int:
        page = nbformat.read(command[3], as_version=4)
        nbformat.validate(page)
        folder = Path(environment["JUPYTER_CONFIG_PATH"].split(":")[0])
        seen.update(
            command=command, page=page, settings=json.loads(next(folder.glob("*.json")).read_text())
        )
        return 7

    monkeypatch.setattr(app_module, "serve", serve)
    monkeypatch.chdir(tmp_path)
    assert main(["app", ".", "--port", "8901", "--no-browser"]) == 7
    assert repr(str(tmp_path / "model.keras")) in seen["page"].cells[1].source
    assert {"--Voila.ip=127.0.0.1", "--port=8901", "--no-browser"} < set(seen["command"])
    assert seen["settings"]["Voila"]["tornado_settings"]["websocket_max_message_size"] >= 2**27


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "found nothing"),
        (["."], "must hold model.keras"),
        ([".", "--port", "0"], "found 0"),
    ],
)
def test_what_cannot_be_served_is_told(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["app", *arguments]) == 2
    assert words in capsys.readouterr().err
