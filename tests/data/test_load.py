"""Sets by name: the embedded one, and those of the catalogue."""

import os
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says
from PIL import Image

from unet_helpers.data import load as load_module
from unet_helpers.data.load import load
from unet_helpers.data.samples import DataError, Samples


def write_set(root: Path, masks: dict[str, np.ndarray]) -> None:
    for stem, mask in masks.items():
        for kind in ("images", "masks"):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(root / kind / f"{stem}.png")


HALVES = np.repeat([[0, 1]], 6, axis=0).repeat(4, axis=1).astype(np.uint8)  # 6 x 8, 0 then 1


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


# --- the sets by name ---------------------------------------------------------------------------


def test_cells_are_the_drawn_fields_grouped_by_slide() -> None:
    samples = load("cells")
    assert len(samples) == load_module.CELLS_SLIDES * load_module.CELLS_FIELDS
    assert len(set(samples.groups)) == load_module.CELLS_SLIDES
    assert samples.class_names == ("background", "cytoplasm", "nucleus")
    assert samples.binary().class_names == ("background", "cell")
    image, mask, name, group, instances = samples[4]
    assert (image.shape, mask.shape, instances.shape) == ((256, 256, 3), (256, 256), (256, 256))
    assert name.startswith(group)


def test_membranes_are_read_with_their_own_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(tmp_path))
    dark = (1 - HALVES) * np.uint8(255)  # the file's 0 is membrane
    stems = [str(i) for i in range(30)]
    write_set(tmp_path / "isbi2012_membrane", dict.fromkeys(stems, dark))
    samples = load("membranes")
    np.testing.assert_array_equal(samples[0].mask, HALVES)
    assert samples.class_names == ("interior", "membrane")
    assert samples.binary().class_names == ("background", "membrane")
    assert [len(part) for part in samples.split()] == [20, 4, 6]


@pytest.fixture(scope="module")
def membranes() -> Samples:
    home = os.environ.get("UNET_DATA_HOME", "")
    if not (home and (Path(home) / "isbi2012_membrane").is_dir()):
        pytest.skip("UNET_DATA_HOME names no folder that holds isbi2012_membrane")
    return load("membranes")


@pytest.mark.real_data
def test_real_membranes_are_30_slices_in_order(membranes: Samples) -> None:
    assert membranes.names == [str(i) for i in range(30)]
    assert {sample.image.shape for sample in membranes} == {(512, 512, 1)}


@pytest.mark.real_data
def test_real_membranes_keep_their_blocks(membranes: Samples) -> None:
    train, val, test = membranes.split()
    assert [len(part) for part in (train, val, test)] == [20, 4, 6]
    assert val.names == ["20", "21", "22", "23"]
    assert len(set(membranes.groups)) == 3


@pytest.mark.real_data
def test_real_membranes_cover_a_fifth(membranes: Samples) -> None:
    assert membranes.class_share()["membrane"] == pytest.approx(0.2196, abs=1e-3)
