"""Sets by name: the embedded one, and the way to those of the catalogue."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders import assert_says

from unet_helpers.data import load as load_module
from unet_helpers.data.load import load
from unet_helpers.data.samples import DataError


def test_unknown_name_of_a_set() -> None:
    with pytest.raises(ValueError) as error:
        load("brains")
    assert_says(error, "name must be one of cells, membranes", "'brains'", "correct the name")


def test_absent_folder_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(tmp_path))
    with pytest.raises(DataError) as error:
        load("membranes")
    where = tmp_path / "isbi2012_membrane"
    assert_says(error, where, "'membranes'", "does not exist", "UNET_DATA_HOME", "load('cells')")


def test_the_data_home_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for value in (None, ""):
        monkeypatch.setenv("UNET_DATA_HOME", value or "")
        if value is None:
            monkeypatch.delenv("UNET_DATA_HOME")
        with pytest.raises(DataError) as error:
            load("nuclei")
        assert_says(error, tmp_path / "unet-data" / "dsb2018_fluo", "does not exist")


def test_cells_are_the_drawn_fields_grouped_by_slide() -> None:
    samples = load("cells")
    assert len(samples) == load_module.CELLS_SLIDES * load_module.CELLS_FIELDS
    assert len(set(samples.groups)) == load_module.CELLS_SLIDES
    assert samples.class_names == ("background", "cytoplasm", "nucleus")
    assert samples.binary().class_names == ("background", "cell")
    image, mask, name, group, instances = samples[4]
    assert (image.shape, mask.shape) == ((256, 256, 3), (256, 256))
    assert instances is not None and instances.shape == (256, 256)
    assert name.startswith(group)


def test_cells_need_nothing_of_the_catalogue() -> None:
    code = (
        "import sys; from unet_helpers.data.load import load; load('cells')\n"
        "print([name for name in sys.modules if 'catalogue' in name or name == 'pooch'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
