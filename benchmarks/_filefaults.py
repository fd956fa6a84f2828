"""Deterministic faults of files, images and splits."""

import shutil
import struct
from pathlib import Path
from zlib import compress, crc32

import numpy as np
import tifffile
from _placefaults import read, some, stems, write
from PIL import Image


def _first(folder: Path, seed: int) -> tuple[str, Path, Path]:
    return some(folder, seed)[0]


def nothing(folder: Path, seed: int) -> list[str]:
    return []


def by_copy(stem: str) -> str:
    """A split by name: copies go to val."""
    return "val" if stem.endswith("copy") else "train"


def by_hash(stem: str) -> str:
    """A split by name, half to val."""
    return "val" if crc32(stem.encode()) % 2 else "train"


def no_pairs(folder: Path, seed: int) -> list[str]:
    for path in (folder / "masks").iterdir():
        path.unlink()
    return []


def image_without_mask(folder: Path, seed: int) -> list[str]:
    stem, _, mask = _first(folder, seed)
    mask.unlink()
    return [stem]


def mask_without_image(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    image.unlink()
    return [stem]


def several_candidates(folder: Path, seed: int) -> list[str]:
    stem, _, mask = _first(folder, seed)
    tifffile.imwrite(mask.with_suffix(".tif"), read(mask))
    return [stem]


def name_collision(folder: Path, seed: int) -> list[str]:
    _, image, mask = _first(folder, seed)
    for path, new in ((image, "Zz"), (image, "zZ"), (mask, "Zz"), (mask, "zZ")):
        shutil.copyfile(path, path.with_name(f"{new}{path.suffix}"))
    return ["Zz"]


def empty_file(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    image.write_bytes(b"")
    return [stem]


def truncated(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    image.write_bytes(image.read_bytes()[: image.stat().st_size * 6 // 10])
    return [stem]


def unreadable(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    image.write_bytes(b"this was a picture once" * 40)
    return [stem]


def size_differs(folder: Path, seed: int) -> list[str]:
    stem, _, mask = _first(folder, seed)
    write(mask, read(mask)[:-3, :-7])
    return [stem]


def exif_one_side(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    picture = Image.open(image).convert("RGB")
    marks = Image.Exif()
    marks[0x0112] = 3
    image.unlink()
    picture.save(image.with_suffix(".jpg"), quality=95, exif=marks)
    return [stem]


def duplicate(folder: Path, seed: int) -> list[str]:
    """Copies of two pairs, under names of their own."""
    pairs = some(folder, seed, 0.5)[:2]
    for stem, *paths in pairs:
        for path in paths:
            shutil.copyfile(path, path.with_name(f"{stem}copy{path.suffix}"))
    return [f"{stem}copy" for stem, *_ in pairs]


def several_pages(folder: Path, seed: int) -> list[str]:
    """A mask as the second page of two."""
    stem, _, mask = _first(folder, seed)
    pixels = read(mask)
    mask.unlink()
    tifffile.imwrite(mask.with_suffix(".tif"), np.stack([pixels, pixels.T.reshape(pixels.shape)]))
    return [stem]


def absurd_size(folder: Path, seed: int) -> list[str]:
    """A PNG of a few bytes that claims a hundred thousand rows and columns."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc32(kind + body))

    stem, image, _ = _first(folder, seed)
    image.unlink()
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", compress(bytes(1000))) + chunk(b"IEND", b"")
    image.with_suffix(".png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return [stem]


def transposed(folder: Path, seed: int) -> list[str]:
    stem, _, mask = _first(folder, seed)
    write(mask, read(mask).T)
    return [stem]


def _spoil_image(folder: Path, seed: int, value: int, rows: float) -> list[str]:
    stem, image, _ = _first(folder, seed)
    pixels = read(image).copy()
    pixels[: int(rows * len(pixels)), :, ...] = value
    write(image, pixels)
    return [stem]


def constant(folder: Path, seed: int) -> list[str]:
    return _spoil_image(folder, seed, 90, 1.0)


def saturated(folder: Path, seed: int) -> list[str]:
    return _spoil_image(folder, seed, 255, 0.6)


def sixteen_bit(folder: Path, seed: int) -> list[str]:
    """All images saved with 16 bits but the values of 8."""
    for image, _ in stems(folder).values():
        pixels = read(image).astype(np.uint16)
        image.unlink()
        tifffile.imwrite(image.with_suffix(".tif"), pixels[..., :3] if pixels.ndim > 2 else pixels)
    return []


def not_a_number(folder: Path, seed: int) -> list[str]:
    stem, image, _ = _first(folder, seed)
    pixels = read(image)
    pixels = (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(np.float32) / 255
    pixels[3, 4] = np.nan
    image.unlink()
    tifffile.imwrite(image.with_suffix(".tif"), pixels)
    return [stem]


def mixed_modes(folder: Path, seed: int) -> list[str]:
    _, image, _ = _first(folder, seed)
    grey = read(image).ndim == 2
    picture = Image.open(image).convert("RGB" if grey else "L")
    picture.save(image)
    return []


def mixed_sizes(folder: Path, seed: int) -> list[str]:
    _, image, mask = _first(folder, seed)
    for path in (image, mask):
        write(path, read(path)[:-8])
    return []
