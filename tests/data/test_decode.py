"""Decoders: every format gives what was saved, and lies about sizes allocate nothing."""

import io
import struct
import subprocess
import sys
import threading
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from builders import assert_says
from PIL import Image, ImageOps

from unet_helpers.data.formats import limits
from unet_helpers.data.formats.decode import count_pages, decode, decode_one, oriented, read_pixels
from unet_helpers.data.formats.images import image_array
from unet_helpers.data.formats.limits import FileError, quiet

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 32), np.uint8)
RGB = RNG.integers(0, 256, (40, 32, 3), np.uint8)
RGBA = RNG.integers(0, 256, (40, 32, 4), np.uint8)


def same(path: Path, pixels: np.ndarray) -> None:
    found = decode(path).pixels
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == pixels.dtype
    assert found.dtype.isnative


def refused(path: Path, kind: str, *parts: object, **settings: object) -> None:
    with pytest.raises(FileError) as error:
        decode(path, **settings)
    assert error.value.kind == kind, error.value
    assert_says(error, path, *parts)


# --- what was saved is what is read -------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_pillow_files(tmp_path: Path, suffix: str, mode: str) -> None:
    if (suffix == "bmp" and mode == "LA") or (suffix == "webp" and mode in ("1", "L", "LA")):
        pytest.skip("the format has no such mode")
    image = Image.fromarray(RGBA).convert(mode)
    if suffix == "bmp" and mode == "RGBA":
        image = image.convert("RGB")  # as Pillow takes a fourth byte
    path = tmp_path / f"a.{suffix}"
    image.save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    same(path, np.asarray(image))
    assert decode(path).kind == {"tif": "tiff"}.get(suffix, suffix)
    assert not decode(path).lossy
    assert decode(path).has_alpha == image.mode.endswith("A")


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "jpeg"), ("webp", "webp")])
def test_lossy_files_are_close_and_say_so(tmp_path: Path, suffix: str, kind: str) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    Image.fromarray(np.stack([smooth] * 3, 2)).save(tmp_path / f"a.{suffix}", quality=95)
    found = decode(tmp_path / f"a.{suffix}")
    assert (found.kind, found.lossy) == (kind, True)
    assert np.abs(found.pixels[..., 0].astype(int) - smooth).max() < 8


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    image = image_array(decode(tmp_path / "a.jpg"), tmp_path / "a.jpg")
    assert image.shape == (8, 8, 3)
    assert image[0, 0, 0] > 240
    assert image[0, 0, 1:].max() < 15


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
def test_tiff_of_every_depth(
    tmp_path: Path, dtype: str, order: str, compression: str | None
) -> None:
    if dtype == "?" and compression is not None:
        pytest.skip("bits are tested with Pillow's codecs")
    pixels = (GREY % 100 if dtype != "?" else GREY > 128).astype(
        np.dtype(dtype).newbyteorder(order)
    )
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, byteorder=order, compression=compression)
    same(path, pixels.astype(dtype))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"])
def test_tiff_of_one_bit(tmp_path: Path, compression: str) -> None:
    Image.fromarray(GREY > 128).save(tmp_path / "a.tif", compression=compression)
    same(tmp_path / "a.tif", GREY > 128)


@pytest.mark.parametrize("bits", [bool, np.uint8, np.uint16])
def test_white_is_zero_is_turned(tmp_path: Path, bits: type) -> None:
    pixels = GREY > 128 if bits is bool else GREY.astype(bits)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite", software="scanner")
    expected = ~pixels if bits is bool else np.iinfo(bits).max - pixels
    same(tmp_path / "a.tif", expected)
    if bits is not np.uint16:
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.tif")), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_inverting_table_of_imagej_is_but_shown(tmp_path: Path, dtype: type) -> None:
    path, pages = tmp_path / "a.tif", np.stack([GREY, GREY[::-1]]).astype(dtype)
    # Its description stands in the first page, and counts for all.
    tifffile.imwrite(
        *(path, pages),
        photometric="miniswhite",
        byteorder=">",
        description="ImageJ=1.54f\nimages=2\nslices=2\n",
        metadata=None,
    )
    with tifffile.TiffFile(path) as file:
        assert [page.is_imagej for page in file.pages] == [True, False]
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(decode(path, page=number).pixels, page)


def test_tiles_big_tiff_and_predictors(tmp_path: Path) -> None:
    settings: list[dict[str, object]] = [
        {"tile": (16, 16), "compression": "zlib"},
        {"bigtiff": True, "rowsperstrip": 7, "compression": "lzw", "predictor": True},
        {"photometric": "rgb", "planarconfig": "separate"},
    ]
    for number, setting in enumerate(settings):
        path = tmp_path / f"{number}.tif"
        separate = "planarconfig" in setting
        tifffile.imwrite(path, np.moveaxis(RGB, 2, 0) if separate else RGB, **setting)
        same(path, RGB)
        assert decode(path).mode == "RGB uint8"


def test_bands_are_not_opacity(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "bands.tif", RGBA, photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(tmp_path / "alpha.tif", RGBA, photometric="rgb", extrasamples=["unassalpha"])
    np.save(tmp_path / "bands.npy", RGBA)
    for name, channels in {"bands.tif": 4, "alpha.tif": 3, "bands.npy": 4}.items():
        assert image_array(decode(tmp_path / name), tmp_path / name).shape[2] == channels


@pytest.mark.parametrize("kind", ["rgb", "rgba", "grey and alpha", "grey"])
def test_png_of_16_bits(tmp_path: Path, kind: str) -> None:
    channels = {"rgb": 3, "rgba": 4, "grey and alpha": 2, "grey": 1}[kind]
    pixels = RNG.integers(0, 65536, (9, 7, channels), np.uint16).squeeze()
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    same(path, pixels)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1  # libpng would print a warning and go on
    path.write_bytes(data)
    refused(path, "unreadable")


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_palettes(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 4, mode="P")
    image.putpalette([0, 0, 0, 10, 200, 30, 40, 50, 60, 70, 80, 90])
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    found = decode(path)
    assert found.pixels.ndim == 2
    assert found.palette is not None
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(found.palette[found.pixels], expected)
    np.testing.assert_array_equal(image_array(found, path), expected)


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").kind == "jpeg"


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i8", "f4", ">f8"])
def test_numpy_files(tmp_path: Path, dtype: str) -> None:
    pixels = (GREY % 2).astype(dtype)
    np.save(tmp_path / "a.npy", pixels)
    np.savez_compressed(tmp_path / "a.npz", only=np.asfortranarray(pixels))
    same(tmp_path / "a.npy", pixels.astype(np.dtype(dtype).newbyteorder("=")))
    same(tmp_path / "a.npz", pixels.astype(np.dtype(dtype).newbyteorder("=")))


def test_several_arrays_need_a_key(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=RGB, mask=GREY)
    refused(path, "unsupported", "2 arrays among 'image', 'mask'", "image_key")
    refused(path, "unsupported", "no array 'x'", key="x")
    np.testing.assert_array_equal(decode(path, key="mask").pixels, GREY)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 6), (5, 6)),
        ((5, 6, 1), (5, 6)),
        ((5, 6, 3), (5, 6, 3)),
        ((3, 5, 6), (5, 6, 3)),
        ((1, 5, 6), (5, 6)),
    ],
)
def test_arrays_with_channels_first_or_last(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    assert decode(tmp_path / "a.npy").pixels.shape == expected
    assert decode(tmp_path / "a.npy").pages == 1


# --- pages --------------------------------------------------------------------------------------


def write_pages(path: Path) -> np.ndarray:
    """Four pages of one size; returns them as they should be read."""
    pages = np.stack([np.full((12, 10), value, np.uint8) for value in (0, 80, 160, 240)])
    pages[:, 0, 0] = 255  # so that no encoder drops a frame as a repetition
    if path.suffix == ".npy":
        np.save(path, np.repeat(pages, 2, axis=0)[:8:2].repeat(2, axis=0)[:7])
        return np.load(path)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pages, photometric="minisblack")
        return pages
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest, lossless=True)
    return pages


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "npy"])
def test_pages(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    pages = write_pages(path)
    assert count_pages(path) == decode(path).pages == len(pages)
    for number, page in enumerate(pages):
        found = image_array(decode(path, page=number), path)
        np.testing.assert_array_equal(found[..., 0], page)
    refused(path, "unsupported", "no page 9", page=9)
    with pytest.raises(FileError) as error:
        read_pixels(path)
    assert_says(error, path, "one page", "pages=0", "pages='stack'", "pages='channels'")


def test_pages_as_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(RGB, 2, 0), photometric="minisblack")
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif", pages="channels"), RGB)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif", pages=1), RGB[..., 1])
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((9, 5, 5), np.uint8), photometric="minisblack")
    with pytest.raises(FileError) as error:
        decode_one(tmp_path / "b.tif", pages="channels")
    assert_says(error, "b.tif", "at most 4 pages", "9 pages", "pages='stack'")


def test_a_stack_that_lost_its_last_pages_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    frames = [Image.fromarray(GREY) for _ in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:-1500])
    refused(path, "truncated")


# --- orientation --------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg", "tif"])
def test_the_exif_orientation_is_told_and_applied_as_viewers_do(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, RGB, extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(RGB).save(path, exif=exif, lossless=True)
    found = decode(path)
    assert found.orientation == orientation
    assert found.pixels.shape == RGB.shape
    with Image.open(path) as image:
        viewed = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(oriented(found), viewed)


# --- unfit files --------------------------------------------------------------------------------


def sound(suffix: str) -> bytes:
    """A file of noise, which does not compress to nothing."""
    buffer = io.BytesIO()
    if suffix == "npy":
        np.save(buffer, RGB)
    elif suffix == "npz":
        np.savez(buffer, RGB)
    else:
        kind = {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
        Image.fromarray(RGB).save(buffer, kind)
    return buffer.getvalue()


FORMATS = ["png", "jpg", "bmp", "gif", "webp", "tif", "npy", "npz"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_told_from_unreadable_ones(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = tmp_path / f"a.{suffix}"
    whole = sound(suffix)
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "truncated", f"readable {suffix.upper()} file", "ends early", "replace the file")
    path.write_bytes(b"no image at all" + whole)
    refused(path, "unreadable", f"readable {suffix.upper()} file", "no known format")
    path.write_bytes(b"")
    refused(path, "empty-file", "0 bytes")


@pytest.mark.parametrize("suffix", FORMATS)
def test_missing_files_and_folders(tmp_path: Path, suffix: str) -> None:
    refused(tmp_path / f"none.{suffix}", "unreadable")
    (tmp_path / f"folder.{suffix}").mkdir()
    refused(tmp_path / f"folder.{suffix}", "unreadable")


def test_pickles_and_records_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros((3, 3), [("x", "u1")]))
    np.save(tmp_path / "c.npy", np.zeros((3, 3), complex))
    for name in "abc":
        refused(tmp_path / f"{name}.npy", "unsupported", "save whole numbers")


def test_tiff_of_other_sorts(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="jpeg2000")
    refused(tmp_path / "a.tif", "unsupported", "compression", "Deflate")
    tifffile.imwrite(tmp_path / "b.tif", RGBA, photometric="separated")
    refused(tmp_path / "b.tif", "unsupported", "colour space", "RGB")


# --- claims of size -----------------------------------------------------------------------------


def png_bomb() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    packer = zlib.compressobj(9)
    rows = packer.compress(bytes(30001 * 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff_of(**changes: int) -> Callable[[], bytes]:
    """A small file whose tags are overwritten."""

    def make() -> bytes:
        buffer = io.BytesIO()
        compression = "jpeg" if "sof" in changes else "zlib"
        tifffile.imwrite(buffer, RGB, compression=compression)
        data = bytearray(buffer.getvalue())
        if "sof" in changes:
            at = data.index(b"\xff\xc0")
            data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
            return bytes(data)
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            for name, value in changes.items():
                tag = file.pages[0].tags[name]
                size = 2 if tag.dtype == 3 else 4
                data[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")
        return bytes(data)

    return make


def npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(1000)


def npz_bomb() -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(80):
            member.write(bytes(2**20))
    return buffer.getvalue()


def gif_claim() -> bytes:
    data = bytearray(sound("gif"))
    data[6:10] = b"\xff\xff\xff\xff"
    return bytes(data)


def webp_claim() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "webp", lossless=True)
    data = bytearray(buffer.getvalue())
    data[21:25] = (16_382 | 16_382 << 14).to_bytes(4, "little")
    return bytes(data)


CLAIMS = {
    "png": png_bomb,
    "gif": gif_claim,
    "webp": webp_claim,
    "rows.tif": tiff_of(ImageLength=2**30, RowsPerStrip=2**30),
    "size.tif": tiff_of(ImageWidth=60_000, ImageLength=60_000, RowsPerStrip=60_000),
    "sof.tif": tiff_of(sof=1),
    "npy": lambda: npy_header((2**20, 2**20)),
    "less.npy": lambda: npy_header((2**12, 2**12)),
    "npz": npz_bomb,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_size_is_not_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    path.write_bytes(CLAIMS[name]())
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(FileError) as error:
            decode(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.value.kind in ("too-large", "truncated", "unreadable")
    assert peak < 2**24, f"{peak / 2**20:.0f} MiB"


DECODE_WITHIN = """
import resource, sys
from pathlib import Path
from PIL import WebPImagePlugin
from unet_helpers.data.formats.decode import decode
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28,) * 2)
decode(Path(sys.argv[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux's /proc")
def test_the_decoder_of_webp_never_sees_the_claim(tmp_path: Path) -> None:
    # It allocates when it opens a file, and not by way of Python, so tracemalloc sees nothing.
    path = tmp_path / "a.webp"
    path.write_bytes(webp_claim())
    command = [sys.executable, "-c", DECODE_WITHIN, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "of pixels claimed by" in done.stderr.splitlines()[-1], done.stderr


def test_a_strip_that_unpacks_to_more_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    packed = zlib.compress(bytes(2**26))
    tifffile.imwrite(
        path, iter([packed]), shape=(40, 32), dtype=np.uint8, compression="zlib", rowsperstrip=40
    )
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            decode(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_large_files_that_are_what_they_say_are_read(tmp_path: Path) -> None:
    # Above the limit at which Pillow warns.
    Image.new("1", (12000, 9000)).save(tmp_path / "a.png", compress_level=1)
    assert decode(tmp_path / "a.png").pixels.shape == (9000, 12000)


def test_the_limit_is_the_documented_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", RGB)
    monkeypatch.setattr(limits, "MAX_BYTES", RGB.nbytes)
    decode(tmp_path / "a.npy")
    monkeypatch.setattr(limits, "MAX_BYTES", RGB.nbytes - 1)
    Image.fromarray(RGB).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "too-large", "above the limit")


# --- warnings -----------------------------------------------------------------------------------


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Barrier(2), threading.Event()

    def outer() -> None:
        with quiet():
            inside.wait()
            leave.wait()

    thread = threading.Thread(target=outer)
    thread.start()
    inside.wait()
    with quiet():
        leave.set()
        thread.join()
        warnings.warn("unheard", stacklevel=1)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning):
        warnings.warn("heard", stacklevel=1)
