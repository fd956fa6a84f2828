"""What cannot be predicted is told, nothing half is left, and nothing is lost."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from builders import assert_says
from large_stores import (
    HEIGHT,
    STORES,
    WIDTH,
    model_of,
    names,
    ome_zarr,
    picture,
    read,
    tiff_with,
    watched,
)

from unet_helpers.data.samples import DataError
from unet_helpers.prediction.large import predict_large
from unet_helpers.prediction.large_planes import Plane, chosen_plane, guessed_axes

# --- what is refused ------------------------------------------------------------------------------


def refused(image: Any, out: Path, kind: type[Exception], model: Any = None, **named: Any) -> Any:
    """The error, after which the folder holds what it held."""
    before = names(out.parent) if out.parent.is_dir() else None
    with pytest.raises(kind) as error:
        predict_large(model or model_of(), image, out, tile=named.pop("tile", 64), **named)
    assert before == (names(out.parent) if out.parent.is_dir() else None)
    return error


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("store", ["tiles", "tiles, plain", "strips", "one strip", "OME pyramid"])
def test_a_file_that_ends_early(store: str, share: float, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = STORES[store](tmp_path, picture(HEIGHT, WIDTH))
    content = path.read_bytes()
    # Of a pyramid, the level that is read must be whole.
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        end = max(o + c for o, c in zip(page.dataoffsets, page.databytecounts, strict=True))
    path.write_bytes(content[: int(share * end)])
    with watched(model_of(), lambda _: pytest.fail("known before work begins")):
        error = refused(path, tmp_path / "out" / "m.tif", DataError)
    assert_says(error, path, "copy or download")
    if store != "OME pyramid":  # of which a level's tags may be cut off
        assert error.value.kind == "truncated"


@pytest.mark.parametrize("out", ["m.tif", "m.zarr"])
def test_a_damaged_tile_is_named_by_its_place(out: str, tiff: Path, tmp_path: Path) -> None:
    with tifffile.TiffFile(tiff) as file:
        start = file.pages[0].dataoffsets[8]  # the second row of five, the fourth tile
    content = bytearray(tiff.read_bytes())
    content[start : start + 40] = bytes(40)
    tiff.write_bytes(content)
    error = refused(tiff, tmp_path / out, DataError)
    assert_says(error, tiff, "rows 48 to 96, columns 192 to 256", "copy or download it again")


def test_a_damaged_chunk_is_named_by_its_place(tmp_path: Path) -> None:
    path = STORES["Zarr 3"](tmp_path, picture(HEIGHT, WIDTH))
    chunk = path / "c" / "2" / "3"
    chunk.write_bytes(chunk.read_bytes()[:50])
    error = refused(path, tmp_path / "m.tif", DataError)
    assert_says(error, path, "rows 80 to 120, columns 210 to 280")
    (path / "zarr.json").write_text("{")
    assert_says(refused(path, tmp_path / "m.tif", DataError), path, "does not open")


def test_every_damaged_head_is_refused_or_read(tiff: Path, tmp_path: Path) -> None:
    content = tiff.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, 600, 4):
            damaged[place] = rng.integers(256)
        tiff.write_bytes(damaged)
        try:
            predict_large(model_of(), tiff, tmp_path / f"{number}.tif", tile=512)
        except DataError as error:
            assert str(tiff) in str(error)
        assert not [name for name in names(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((20, 30, 3), ["1 channels", "found 3", "20 x 30 x 3"]),
        ((4, 5, 20, 30), ["found a stack", "save each image"]),
        ((20,), ["YX, YXC or CYX", "found axes"]),
        ((20, 0), ["found uint8"]),
    ],
)
def test_other_axes_are_refused(shape: tuple[int, ...], parts: list[str], tmp_path: Path) -> None:
    image = np.zeros(shape, np.uint8)
    if len(shape) == 3:
        image = tiff_with()(tmp_path, image)
    assert_says(refused(image, tmp_path / "m.tif", DataError), *parts)


def test_axes_are_guessed_by_the_models_channels() -> None:
    assert guessed_axes((9, 3, 3), 3) == "YXC"
    assert guessed_axes((3, 9, 9), 3) == "CYX"
    assert guessed_axes((4, 9, 9), 3) == "?YX"
    plane: Plane = chosen_plane(picture(3, 9, 8), "CYX", "image", 3)
    np.testing.assert_array_equal(
        plane.read(slice(2, 5), slice(1, 3)), np.moveaxis(picture(3, 9, 8), 0, 2)[2:5, 1:3]
    )


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        (np.full((20, 30), np.nan), ["found nan", "rows 0 to 20, columns 0 to 30"]),
        (np.full((20, 30), 255.0), ["found 255"]),
        (np.full((20, 30), 70000), ["0 to 65535", "found 70000"]),
        (np.full((20, 30), -1), ["found -1"]),
        (np.zeros((20, 30), complex), ["numbers are expected", "found complex128"]),
    ],
)
def test_pixels_that_are_not_scaled_are_refused(
    image: np.ndarray, parts: list[str], tmp_path: Path
) -> None:
    for out in ("m.tif", "m.zarr"):
        assert_says(refused(image, tmp_path / out, DataError), *parts)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ({"colormap": np.zeros((3, 256), np.uint16), "photometric": "palette"}, ["palette"]),
        ({"extratags": [(274, 3, 1, 6, True)]}, ["upright"]),
        ({"compression": "packbits", "rowsperstrip": HEIGHT}, ["at most", "found one of"]),
    ],
)
def test_tiffs_that_would_be_read_otherwise_are_refused(
    kind: dict[str, Any], parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unet_helpers.prediction.large_tiffs.CHUNK_BYTES", 50_000)
    path = tiff_with(**kind)(tmp_path, picture(HEIGHT, WIDTH))
    assert_says(refused(path, tmp_path / "m.tif", DataError), path, *parts)


def test_a_jpeg_tile_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(1600, 1600), tile=(1600, 1600), compression="jpeg")
    with tifffile.TiffFile(path) as file:
        sides = ("ImageWidth", "ImageLength", "TileWidth", "TileLength")
        places = [file.pages[0].tags[name].valueoffset for name in sides]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place : place + 2] = (64).to_bytes(2, "little")
    path.write_bytes(content)
    error = refused(path, tmp_path / "m.tif", DataError)
    assert_says(error, path, "found a larger one at rows 0 to 64, columns 0 to 64")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a.tif").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w").create_array(
        "pixels", shape=(9, 9), dtype=np.uint8
    )
    for image, parts in (
        (tmp_path / "none.tif", ["found nothing"]),
        (tmp_path / "a.png", ["found a file of png", "predict()"]),
        (tmp_path / "a.tif", ["found an empty file"]),
        (tmp_path / "folder", ["does not open"]),
        (tmp_path / "g.zarr", ["without multiscales (pixels)", "the array's own folder"]),
        ([[0.5]], ["image must be a path", "found list"]),
    ):
        assert_says(refused(image, out / "m.tif", ValueError), *parts)
    predict_large(model_of(), tmp_path / "g.zarr" / "pixels", out / "m.tif")
    image = picture(9, 9)
    assert_says(refused(image, out / "n.tif", ValueError, level=1), "level and series must be 0")


def test_an_error_of_the_users_own_array_is_told_with_its_place(tmp_path: Path) -> None:
    def fail(block: np.ndarray) -> np.ndarray:
        raise RuntimeError("no such camera")

    image = da.zeros((90, 90), np.uint8, chunks=(40, 40))
    broken = image.map_blocks(fail, dtype=np.uint8, meta=np.zeros((0, 0), np.uint8))
    error = refused(broken, tmp_path / "m.tif", DataError)
    assert_says(error, "rows 0 to 40, columns 0 to 40", "no such camera")


@pytest.mark.parametrize(
    ("named", "parts"),
    [
        ({"tile": 0}, ["tile", "found 0"]),
        ({"tile": None}, ["tile", "found None"]),
        ({"batch_size": 0}, ["batch_size", "found 0"]),
        ({"symmetries": 3}, ["symmetries", "found 3"]),
        ({"threshold": 1.5}, ["threshold", "found 1.5"]),
        ({"what": "masks"}, ["what", "found 'masks'"]),
        ({"dtype": "float64"}, ["dtype", "found 'float64'"]),
        ({"level": -1}, ["level", "found -1"]),
        ({"what": "probabilities"}, ["out must end with .zarr for probabilities", "m.tif"]),
    ],
)
def test_arguments_out_of_range_are_named(
    named: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    assert_says(refused(picture(20, 20), tmp_path / "m.tif", ValueError, **named), *parts)


def test_targets_that_cannot_be(tiff: Path, tmp_path: Path) -> None:
    image, store = picture(20, 20), STORES["Zarr 3"](tmp_path, picture(20, 20))
    (tmp_path / "there.tif").write_bytes(b"mine")
    for given_, out, kind, parts in (
        (image, tmp_path / "m.png", ValueError, ["must end with .zarr", "m.png"]),
        (image, tmp_path / "none" / "m.tif", OSError, ["its folder must be there", "make"]),
        (image, tmp_path / "there.tif", OSError, ["must not be there yet", "overwrite=True"]),
    ):
        assert_says(refused(given_, out, kind), out, *parts)
    inner = ome_zarr(tiff.parent, picture(20, 20), steps=1)
    for given_, out in ((tiff, tiff), (store, store), (inner / "s0", inner)):
        error = refused(given_, out, OSError, overwrite=True)
        assert_says(error, out, "must not replace the image")
    assert (tmp_path / "there.tif").read_bytes() == b"mine"


# --- nothing half, nothing lost -------------------------------------------------------------------


def interrupt(times: int) -> Callable[[np.ndarray], None]:
    left = [times]

    def hook(_: np.ndarray) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    return hook


def content(path: Path) -> Any:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.read_bytes()
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.fixture(params=["m.tif", "m.zarr"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A result of earlier."""
    (tmp_path / "out").mkdir()
    return predict_large(model_of(), picture(300, 300), tmp_path / "out" / request.param).path


@pytest.mark.parametrize("times", [1, 2, 12])
def test_an_interrupt_leaves_what_was_there_and_nothing_else(
    old: Path, tiff: Path, times: int
) -> None:
    before = content(old)
    for out, more in ((old, {"overwrite": True}), (old.with_name(f"new{old.suffix}"), {})):
        with watched(model_of(), interrupt(times)), pytest.raises(KeyboardInterrupt):
            predict_large(model_of(), tiff, out, tile=64, **more)
        assert names(old.parent) == [old.name]
        assert content(old) == before


def full(owner: Any, name: str, times: int) -> Any:
    """A function that tells of a full disk when it is called for the n-th time, and from then."""
    whole, calls = getattr(owner, name), [0]

    def write(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] >= times:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(*arguments, **named)

    return write


@pytest.mark.parametrize("times", [1, 3, 9])
def test_a_full_disk_is_told_and_loses_nothing(
    old: Path, tiff: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(old)
    owner, name = (zarr.Array, "__setitem__")
    if old.suffix == ".tif":
        owner, name = (tifffile.FileHandle, "write")
    times = min(times, 2) if old.suffix == ".zarr" else times
    monkeypatch.setattr(owner, name, full(owner, name, times))
    for out in (old, old.with_name(f"new{old.suffix}")):
        with pytest.raises(OSError) as error:
            predict_large(model_of(), tiff, out, tile=256, overwrite=True)
        assert_says(error, out, "must fit on the disk", "found it full", "make room")
        assert names(old.parent) == [old.name]
        assert content(old) == before


@pytest.mark.parametrize("ending", [".tif", ".zarr"])
def test_what_was_there_is_replaced_only_at_the_end(old: Path, tiff: Path, ending: str) -> None:
    """Files by files, folders by folders, and either by the other."""
    target = old.rename(old.with_name(f"target{ending}"))
    before = content(target)

    def look(_: np.ndarray) -> None:
        assert content(target) == before
        assert set(names(target.parent)) - {target.name} <= {f".{target.name}.{os.getpid()}.part"}

    with watched(model_of(), look):
        predict_large(model_of(), tiff, target, tile=64, overwrite=True)
    assert read(target).shape == (HEIGHT, WIDTH)
    assert names(target.parent) == [target.name]


def test_a_folder_that_cannot_be_moved_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = predict_large(model_of(), picture(30, 30), tmp_path / "m.zarr").path
    before, rename = content(old), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise PermissionError("not now")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError):
        predict_large(model_of(), picture(40, 40), old, overwrite=True)
    assert content(old) == before
    assert names(tmp_path) == [old.name]


def test_a_target_that_appears_meanwhile_is_not_replaced(tiff: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.tif"
    with watched(model_of(), lambda _: out.write_bytes(b"another's")), pytest.raises(OSError):
        predict_large(model_of(), tiff, out, tile=512)
    assert out.read_bytes() == b"another's"
    assert names(tmp_path) == ["in", "m.tif"]


def test_a_symbolic_link_to_the_image_is_the_image(tiff: Path, tmp_path: Path) -> None:
    link = tmp_path / "m.tif"
    link.symlink_to(tiff)
    refused(tiff, link, OSError, overwrite=True)
    assert tifffile.imread(tiff).shape == (HEIGHT, WIDTH)
    assert names(tmp_path) == ["in", "m.tif"]
