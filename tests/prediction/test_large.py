"""Streamed from and to disk, an image gives what it gives in memory."""

import shutil
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from builders import assert_says
from hypothesis import given, settings
from hypothesis import strategies as st
from large_stores import (
    HEIGHT,
    STORES,
    WIDTH,
    gap,
    model_of,
    picture,
    read,
    tiff_with,
    watched,
    whole_of,
    zarr_with,
)

from unet_helpers import unet
from unet_helpers.data.formats.decode import read_pixels
from unet_helpers.data.samples import DataError, to_float
from unet_helpers.prediction import large_files, large_pixels
from unet_helpers.prediction.large import Grid, LargePrediction, predict_large
from unet_helpers.prediction.large_pixels import Pixels
from unet_helpers.prediction.large_planes import chosen_plane
from unet_helpers.prediction.predict import to_mask

# --- the same as in memory, whatever it is stored in ----------------------------------------------


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)], ids=["grey", "RGB"])
@pytest.mark.parametrize("store", STORES)
def test_a_stored_image_gives_what_it_gives_in_memory(
    store: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    dtype = np.uint16 if "endian" in store or "OME" in store else np.uint8
    image, model = picture(*shape, dtype=dtype), model_of(*shape[2:])
    stored = STORES[store](tmp_path, image)
    expected = whole_of(model, image)
    threshold = gap(expected)
    mask = tmp_path / "mask.ome.tif"
    done = predict_large(model, stored, mask, tile=144, batch_size=2, threshold=threshold)
    assert (done.path, done.height, done.width) == (mask, *shape[:2])
    np.testing.assert_array_equal(read(mask), to_mask(expected, threshold))
    told = predict_large(
        model, stored, tmp_path / "p.zarr", what="probabilities", tile=112, batch_size=6
    )
    found = read(told.path)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    assert np.abs(found - expected).max() <= 1e-5


@pytest.mark.parametrize("store", ["strips", "tiles", "white is zero", "alpha"])
def test_a_file_is_read_as_for_training(store: str, tmp_path: Path) -> None:
    path = STORES[store](tmp_path, picture(HEIGHT, WIDTH))
    expected = whole_of(model_of(), read_pixels(path))
    threshold = gap(expected)
    done = predict_large(model_of(), path, tmp_path / "m.tif", tile=128, threshold=threshold)
    np.testing.assert_array_equal(read(done.path), to_mask(expected, threshold))


def test_tiles_of_jpeg_are_read_in_colours(tmp_path: Path) -> None:
    smooth = np.repeat(np.repeat(picture(16, 20, 3), 16, 0), 16, 1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, smooth, tile=(64, 64), compression="jpeg", photometric="ycbcr")
    expected = whole_of(model_of(3), tifffile.imread(path))
    threshold = gap(expected)
    done = predict_large(model_of(3), path, tmp_path / "m.tif", tile=128, threshold=threshold)
    np.testing.assert_array_equal(read(done.path), to_mask(expected, threshold))


configs = st.fixed_dictionaries(
    {
        "size": st.tuples(st.integers(1, 160), st.integers(1, 160)),
        "tile": st.integers(1, 180),
        "chunk": st.tuples(st.integers(1, 90), st.integers(1, 90)),
        "store": st.sampled_from(["tiles", "strips", "Zarr 3", "Zarr 2", "dask", "one strip"]),
        "out": st.sampled_from(["m.tif", "m.zarr"]),
        "batch_size": st.integers(1, 4),
        "depth": st.integers(1, 3),
        "padding": st.sampled_from(["same", "valid"]),
        "cache": st.sampled_from([1, 2**27]),
    }
)


def stored_by(config: dict[str, Any], folder: Path, image: np.ndarray) -> Any:
    down, right = config["chunk"]
    if config["store"] == "dask":
        return da.from_array(image, chunks=(down + 5, right + 5))
    if config["store"].startswith("Zarr"):
        chunks, kind = (down + 20, right + 20), int(config["store"][-1])
        return zarr_with(chunks=chunks, format=kind)(folder, image)
    if config["store"] == "tiles":
        sides = (16 * (1 + down // 16), 16 * (1 + right // 16))
        return tiff_with(tile=sides, compression="zlib")(folder, image)
    return tiff_with(rowsperstrip=down, compression="zlib")(folder, image)


@settings(max_examples=20)
@given(configs)
def test_every_size_tile_and_chunk_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    model = model_of(depth=config["depth"], padding=config["padding"])
    image = picture(*config["size"])
    stored = stored_by(config, folder, image)
    expected = whole_of(model, image)
    threshold = gap(expected) if image.size > 1 else 0.5
    tile = max(config["tile"], max(config["size"]) // 3)  # a dozen of them at most
    named = {"tile": tile, "batch_size": config["batch_size"], "threshold": threshold}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_pixels, "CACHE_BYTES", config["cache"])
        done = predict_large(model, stored, folder / config["out"], **named)
    np.testing.assert_array_equal(read(done.path), to_mask(expected, threshold))
    shutil.rmtree(folder)


def test_several_classes_and_half_precision(tmp_path: Path) -> None:
    model, image = model_of(classes=3), picture(150, 170)
    expected = whole_of(model, image)
    mask = predict_large(model, image, tmp_path / "m.zarr", tile=64).path
    np.testing.assert_array_equal(read(mask), to_mask(expected))
    assert len(np.unique(read(mask))) > 1
    half = tmp_path / "p.zarr"
    predict_large(model, image, half, what="probabilities", dtype="float16", tile=64)
    assert read(half).dtype == np.float16
    assert np.abs(read(half).astype(np.float32) - expected).max() <= 1e-3


def test_symmetries_are_averaged_as_in_memory(tmp_path: Path) -> None:
    image = picture(130, 90)
    expected = whole_of(model_of(), image, symmetries=4)
    out = tmp_path / "p.zarr"
    predict_large(model_of(), image, out, what="probabilities", tile=48, symmetries=4)
    assert np.abs(read(out) - expected).max() <= 1e-5


@pytest.mark.parametrize("side", [(40, 56), (64, 36)])
def test_a_model_of_fixed_size_is_tiled_in_that_size(side: tuple[int, int], tmp_path: Path) -> None:
    fixed, free = model_of(input_size=(*side, 1)), model_of()
    fixed.set_weights(free.get_weights())
    image = picture(HEIGHT, WIDTH)
    expected = whole_of(free, image)
    threshold = gap(expected)
    done = predict_large(fixed, image, tmp_path / "m.tif", batch_size=8, threshold=threshold)
    assert done.window == side
    np.testing.assert_array_equal(read(done.path), to_mask(expected, threshold))


@pytest.mark.parametrize("image", [picture(60, 70) > 99, picture(60, 70) / 255, picture(60, 70)])
def test_bits_and_floats_are_scaled_as_in_training(image: np.ndarray, tmp_path: Path) -> None:
    expected = whole_of(model_of(), image)
    for kind in (image, image.astype(np.int32)) if image.dtype == np.uint8 else (image,):
        out = tmp_path / f"{kind.dtype}.zarr"
        predict_large(model_of(), kind, out, what="probabilities")
        if kind.dtype == np.int32:  # as `image_array` takes it, in 16 bits
            expected = whole_of(model_of(), image.astype(np.uint16))
        assert np.abs(read(out) - expected).max() <= 1e-5


# --- which image of a file ------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["OME pyramid", "OME-Zarr 0.4", "OME-Zarr 0.5"])
def test_another_level_of_a_pyramid(store: str, tmp_path: Path) -> None:
    image = picture(HEIGHT, WIDTH)
    path = STORES[store](tmp_path, image)
    smaller = image[::2, ::2]
    expected = whole_of(model_of(), smaller)
    threshold = gap(expected)
    out = tmp_path / "m.ome.tif"
    done = predict_large(model_of(), path, out, level=1, tile=64, threshold=threshold)
    np.testing.assert_array_equal(read(done.path), to_mask(expected, threshold))
    with pytest.raises(DataError) as error:
        predict_large(model_of(), path, tmp_path / "n.tif", level=3)
    assert_says(error, path, "level must be 0 to 2", "found 3")


@pytest.mark.parametrize("how", [{}, {"tile": (64, 64), "compression": "zlib"}])
def test_a_plane_of_a_stack(how: dict[str, Any], tmp_path: Path) -> None:
    stack, path = picture(4, 90, 80), tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", **how)
    out = tmp_path / "p.zarr"
    predict_large(model_of(), path, out, what="probabilities", page=2, tile=64)
    assert np.abs(read(out) - whole_of(model_of(), stack[2])).max() <= 1e-5
    for page, parts in ((None, ("found a stack", "page=0")), (4, ("page must be 0 to 3",))):
        with pytest.raises(DataError) as error:
            predict_large(model_of(), path, tmp_path / "m.tif", page=page)
        assert_says(error, path, "4 x 90 x 80", *parts)


def test_an_image_of_several_in_a_file(tmp_path: Path) -> None:
    images, path = [picture(90, 80), picture(70, 60)], tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for image in images:
            writer.write(image)
    done = predict_large(model_of(), path, tmp_path / "m.tif", series=1)
    assert (done.height, done.width) == (70, 60)
    with pytest.raises(DataError) as error:
        predict_large(model_of(), path, tmp_path / "n.tif", series=2)
    assert_says(error, path, "series must be 0 to 1", "found 2")


# --- what the result is like ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1300, 700), (513, 20), (512, 512)])
def test_the_mask_is_a_tiled_compressed_pyramid(size: tuple[int, int], tmp_path: Path) -> None:
    model, image = model_of(classes=3), picture(*size)
    done = predict_large(model, image, tmp_path / "m.ome.tif", tile=384)
    with tifffile.TiffFile(done.path) as file:
        (series,) = file.series
        assert file.is_ome
        assert series.axes == "YX"
        assert not file.is_bigtiff
        full = series.asarray()
        assert (full.dtype, full.shape) == (np.uint8, size)
        for number, level in enumerate(series.levels):
            page = level.pages[0]
            assert page.is_tiled
            assert page.compression == 8
            # Nearest: no class id that was not there, as an average would make.
            np.testing.assert_array_equal(level.asarray(), full[:: 2**number, :: 2**number])
        assert max(series.levels[-1].shape) <= 512
        assert all(max(level.shape) > 512 for level in series.levels[:-1])


def test_beyond_four_gigabytes_it_is_a_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_files, "_CLASSIC", 600 * 600)
    done = predict_large(model_of(), picture(600, 600), tmp_path / "m.tif")
    with tifffile.TiffFile(done.path) as file:
        assert file.is_bigtiff
        assert len(file.series[0].levels) == 2


@pytest.mark.parametrize("store", ["OME pyramid", "OME-Zarr 0.4", "OME-Zarr 0.5"])
@pytest.mark.parametrize("level", [0, 1])
def test_the_physical_size_of_pixels_is_kept(store: str, level: int, tmp_path: Path) -> None:
    path = STORES[store](tmp_path, picture(200, 300))
    times = 2**level
    done = predict_large(model_of(), path, tmp_path / "m.ome.tif", level=level, tile=512)
    with tifffile.TiffFile(done.path) as file:
        told = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (told["PhysicalSizeX"], told["PhysicalSizeXUnit"]) == (0.5 * times, "µm")
    assert (told["PhysicalSizeY"], told["PhysicalSizeYUnit"]) == (0.25 * times, "µm")
    array = zarr.open(
        str(predict_large(model_of(), path, tmp_path / "m.zarr", level=level, tile=512).path)
    )
    assert array.attrs["pixel_size"] == {"x": 0.5 * times, "y": 0.25 * times, "unit": "µm"}
    assert array.metadata.dimension_names == ("y", "x")


def test_without_one_there_is_none(tiff: Path, tmp_path: Path) -> None:
    done = predict_large(model_of(), tiff, tmp_path / "m.ome.tif")
    with tifffile.TiffFile(done.path) as file:
        assert "PhysicalSize" not in file.ome_metadata


def test_the_halo_is_counted(tmp_path: Path) -> None:
    image, model = picture(256, 320), model_of(depth=2)
    fed: list[int] = []
    with watched(model, lambda batch: fed.append(batch.size)):
        done = predict_large(model, image, tmp_path / "m.tif", tile=64)
    assert done.pixels_fed == sum(fed)
    assert done.tiles == 20
    assert done.halo_share == pytest.approx(sum(fed) / image.size)
    assert predict_large(model, image, tmp_path / "n.tif", tile=512).halo_share == 1
    assert isinstance(done, LargePrediction)


# --- reading as little as can be ------------------------------------------------------------------


@pytest.mark.parametrize("store", ["strips", "tiles", "Zarr 3", "Zarr 2", "OME-Zarr 0.4"])
def test_every_chunk_is_decoded_once(store: str, tmp_path: Path) -> None:
    path = STORES[store](tmp_path, picture(HEIGHT, WIDTH))
    done = predict_large(model_of(depth=2), path, tmp_path / "m.tif", tile=64)
    assert done.chunks_decoded == done.chunks > 1


def test_a_small_cache_decodes_a_chunk_once_for_each_row_of_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_pixels, "CACHE_BYTES", 1)
    counted: list[int] = []

    def count(block: np.ndarray) -> np.ndarray:
        counted.append(block.size)
        return block

    image = da.from_array(picture(100, 800), chunks=(50, 50)).map_blocks(count, dtype=np.uint8)
    counted.clear()
    done = predict_large(model_of(), image, tmp_path / "m.tif", tile=64)
    assert len(counted) == done.chunks_decoded
    assert 32 < done.chunks_decoded <= 3 * 32  # a chunk of 50 touches three rows of tiles at most


@given(st.data())
def test_any_part_is_read_through_any_chunks_and_cache(data: Any) -> None:
    image = picture(37, 53)
    cuts = [
        sorted(data.draw(st.sets(st.integers(1, length - 1), max_size=6))) for length in (37, 53)
    ]
    chunks = tuple(
        tuple(np.diff([0, *cut, length]).tolist())
        for cut, length in zip(cuts, (37, 53), strict=True)
    )

    class Chunked:
        shape, dtype = image.shape, image.dtype

        def __getitem__(self, index: Any) -> np.ndarray:
            return image[index]

    Chunked.chunks = chunks  # type: ignore[attr-defined]
    plane = chosen_plane(Chunked(), "YX", "image", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_pixels, "CACHE_BYTES", data.draw(st.integers(0, 3000)))
        pixels = Pixels(plane, (10, 12))
    for _ in range(data.draw(st.integers(1, 6))):
        rows, columns = (
            slice(*sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))))
            for n in (37, 53)
        )
        np.testing.assert_array_equal(pixels[rows, columns][..., 0], to_float(image[rows, columns]))


class Drawn:
    """An image that is nowhere: every part is made when it is asked for."""

    dtype = np.dtype(np.uint8)

    def __init__(self, side: int) -> None:
        self.shape = (side, side)

    def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (np.arange(each.start, each.stop) for each in index)
        return ((rows[:, None] * 7 + columns * 13) % 251).astype(np.uint8)


@pytest.mark.parametrize("ending", ["tif", "zarr"])
def test_memory_goes_with_the_tile(ending: str, tmp_path: Path) -> None:
    model, peaks = unet((None, None, 1), filters=2, depth=1), []
    predict_large(model, Drawn(512), tmp_path / f"first.{ending}", tile=128)  # traces the model
    for side in (512, 1536):
        tracemalloc.start()
        predict_large(model, Drawn(side), tmp_path / f"{side}.{ending}", tile=128)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Nine times the pixels; how many tiles wait for the disk at one moment is the threads' affair.
    assert peaks[1] < 2 * peaks[0]
    assert peaks[1] < 1536 * 1536  # less than the mask alone


def test_blocks_of_the_result_hold_whole_tiles_row_by_row() -> None:
    for tile, size in ((40, (500, 700)), (16, (300, 30)), (272, (900, 100)), (1024, (50, 70))):
        grid = Grid.of(model_of(), *size, tile)
        assert all(side % 16 == 0 for side in grid.block)
        seen = np.zeros(size, int)
        spots = []
        for group in grid.groups:
            for one in group:
                seen[one.place] += 1
            spots.append((group[0].down.start, group[0].right.start))
            ends = [(one.down.stop, one.right.stop) for one in group]
            starts = [(one.down.start, one.right.start) for one in group]
            extent = np.max(ends, axis=0) - np.min(starts, axis=0)
            assert (extent <= grid.block).all()
        assert (seen == 1).all()
        assert spots == sorted(spots)
    assert Grid.of(model_of(), 900, 900, 300).block == (304, 304)  # one tile


# --- threads --------------------------------------------------------------------------------------


def test_the_model_runs_where_it_was_called_and_no_thread_is_left(
    tiff: Path, tmp_path: Path
) -> None:
    before, seen = threading.active_count(), set()
    with watched(model_of(), lambda _: seen.add(threading.current_thread())):
        predict_large(model_of(), tiff, tmp_path / "m.tif", tile=64)
    assert seen == {threading.current_thread()}
    assert threading.active_count() == before


def test_seams_are_told(tmp_path: Path) -> None:
    model = model_of(norm="group")
    with pytest.warns(UserWarning, match="seams") as told:
        predict_large(model, picture(300, 300), tmp_path / "m.tif", tile=64)
    assert told[0].filename == __file__
    predict_large(model, picture(30, 30), tmp_path / "n.tif")
