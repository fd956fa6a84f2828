"""The doctor in a shell."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sick import Folder, field, save

from unet_helpers.__main__ import main


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def doctor(folder: Folder, *options: str) -> int:
    return main(["doctor", str(folder.images), str(folder.masks), "--patch", "32", *options])


def test_a_healthy_folder_exits_0(folder: Folder, capsys) -> None:
    assert doctor(folder) == 0
    said = capsys.readouterr()
    assert "5 pairs, nothing found" in said.out and said.err == ""


def test_an_error_exits_1_and_a_warning_does_not(folder: Folder, capsys) -> None:
    folder.masks_by(lambda mask: np.array([0, 128, 255], np.uint8)[mask])
    assert doctor(folder) == 0
    assert "warning  mask-grey-levels" in capsys.readouterr().out
    folder.mask(0).unlink()
    assert doctor(folder) == 1
    assert "error  image-without-mask" in capsys.readouterr().out


def test_what_the_user_tells(folder: Folder, capsys) -> None:
    mask = np.array([0, 128, 255], np.uint8)[field(1)[1]]
    mask[:4, :9] = 9
    folder.masks_by(lambda mask: np.array([0, 128, 255], np.uint8)[mask])
    save(folder.mask(1), mask)
    told = ["--values", "0:0,128:1,255:2", "--ignore", "9", "--classes", "no,yes,core"]
    assert doctor(folder, *told) == 0
    assert "nothing found" in capsys.readouterr().out
    assert doctor(folder, "--values", "0:0,128:1,255:2") == 1
    assert "9 in 36 pixels" in capsys.readouterr().out


def test_objects_and_groups(folder: Folder, capsys) -> None:
    rows = ["image,mask,split"]
    for i in range(5):
        mask = np.zeros((96, 96), np.uint8)
        for k in range(i + 2):
            mask[9 * k : 9 * k + 7, 20:40] = k + 1
        save(folder.mask(i), mask)
        rows.append(f"images/cell_{i:02d}.png,masks/cell_{i:02d}.png,{'val' if i else 'train'}")
    table = folder.root / "pairs.csv"
    table.write_text("\n".join(rows))
    command = ["doctor", "--manifest", str(table), "--patch", "32"]
    assert main(command) == 1
    assert "mask-instance-ids" in capsys.readouterr().out
    assert main([*command, "--instances"]) == 0
    capsys.readouterr()
    assert main([*command, "--instances", "--group", "^(.*)_"]) == 1
    assert "group 'cell' has 1 in train and 4 in val" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["doctor"], "IMAGES and MASKS are missing"),
        (["doctor", "nowhere", "neither"], "images must be a folder"),
        (["doctor", ".", "--manifest", "x.csv"], "in one way"),
        (["doctor", "--manifest", "no.csv"], "no.csv"),
        (["doctor", "--explain", "mask-moved"], "'mask-moved'"),
        (["doctor", "--explain", "mask-shift"], "did you mean mask-shifted?"),
        (["doctor", "images"], "MASKS is missing: python -m unet_helpers doctor IMAGES MASKS"),
        (
            ["doctor", ".", ".", "--classes", "bg,cyto", "--values", "0:0,128:1,254:2"],
            "one for each of the 2 class names",
        ),
        (["doctor", ".", ".", "--values", "0:0,9:1", "--instances"], "found several"),
        (["doctor", ".", ".", "--colours", "0,0,0:0", "9,9,999:1"], "from 0 to 255"),
        (["doctor", ".", ".", "--patch", "0"], "patch"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    spoken = capsys.readouterr()
    assert spoken.err.startswith("error: ") and said in spoken.err
    assert spoken.err.count("\n") == 1 and spoken.out == ""


def test_an_option_that_is_none_exits_2(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--ignore", "white"])
    assert ended.value.code == 2


def test_a_colour_that_is_none_tells_how_the_doctor_is_called(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", ".", ".", "--colours", "x"])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "write 0,0,0:0 255,0,0:1" in said
    assert said.startswith("usage: python -m unet_helpers doctor") and "--manifest" in said


def test_colours(folder: Folder, capsys) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    folder.masks_by(lambda mask: colours[mask])
    assert doctor(folder) == 0 and "mask-colours" in capsys.readouterr().out
    assert doctor(folder, "--colours", "0,0,0:0", "255,0,0:1", "0,0,255:2") == 0
    assert "nothing found" in capsys.readouterr().out
    assert doctor(folder, "--json", "--colours", "0,0,0:0", "255,0,0:1", "0,0,255:2") == 0
    assert json.loads(capsys.readouterr().out)["options"]["colours"]["(255, 0, 0)"] == 1


def test_the_groups_are_told(folder: Folder, capsys) -> None:
    doctor(folder, "--group", "cell_(..)")
    assert "\n5 groups: 00, 01, 02, 03, 04\n" in capsys.readouterr().out + "\n"
    doctor(folder, "--group", "^(.*)_")
    assert "\n1 group: cell\n" in capsys.readouterr().out
    doctor(folder)
    assert not re.search("groups?: ", capsys.readouterr().out)


def test_the_list_and_an_explanation(capsys) -> None:
    assert main(["doctor", "--list"]) == 0
    assert "error    mask-shifted" in capsys.readouterr().out
    assert main(["doctor", "--explain", "mask-0-255"]) == 0
    assert "as class ids they are 0 and 1" in capsys.readouterr().out


def test_json_is_all_that_is_printed_and_nothing_heavy_is_loaded(folder: Folder) -> None:
    code = (
        "import sys, unet_helpers.__main__ as m\n"
        "status = m.main(sys.argv[1:])\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(status)"
    )
    folder.image(3).write_bytes(b"broken")
    command = [sys.executable, "-W", "error", "-c", code, "doctor"]
    command += [str(folder.images), str(folder.masks), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["findings"][0]["name"] == "unreadable"


def test_a_reader_that_stops_reading_is_no_error() -> None:
    command = f'"{sys.executable}" -m unet_helpers doctor --list | true'
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stderr == ""


def test_a_name_that_the_terminal_cannot_show(folder: Folder) -> None:
    strange = folder.images / "zelle_\u4e2d.png"
    folder.image(0).rename(strange)
    command = [sys.executable, "-m", "unet_helpers", "doctor"]
    command += [str(folder.images), str(folder.masks)]
    done = subprocess.run(
        command, capture_output=True, timeout=120, cwd=Path(__file__).parents[2],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 1 and b"\\u4e2d" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--values", "0-1", "write 0:0,128:1,255:2"),
        ("--group", "(", "a regular expression is expected, found '('"),
        ("--colours", "red:1", "write 0,0,0:0 255,0,0:1"),
    ],
)
def test_an_option_that_cannot_be_read_is_told(option, value, said, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", ".", ".", option, value])
    assert ended.value.code == 2
    assert f"{option}" in (told := capsys.readouterr().err) and said in told
