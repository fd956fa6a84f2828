"""Statistical faults: masks moved, turned, exchanged or reversed, and images that come twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

Pixels = np.ndarray[Any, Any]
TURNS: tuple[Callable[[Pixels], Pixels], ...] = (
    np.fliplr,
    np.flipud,
    lambda m: np.rot90(m, 2),
    np.rot90,
    lambda m: np.rot90(m, -1),
    np.transpose,
    lambda m: np.rot90(m, 2).T,
)


def stems(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Image and mask of each pair, in the order of the names."""
    found = {path.stem: path for path in (folder / "masks").iterdir()}
    paths = sorted((folder / "images").iterdir(), key=lambda path: (len(path.stem), path.stem))
    return {path.stem: (path, found[path.stem]) for path in paths if path.stem in found}


def read(path: Path) -> Pixels:
    with Image.open(path) as file:
        return np.asarray(file)


def write(path: Path, pixels: Pixels) -> None:
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)


def some(folder: Path, seed: int, share: float = 0.1) -> list[tuple[str, Path, Path]]:
    """A tenth of the pairs, at least two, whose masks hold something."""
    pairs = [(stem, *paths) for stem, paths in stems(folder).items() if np.ptp(read(paths[1]))]
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(pairs), max(2, int(share * len(pairs))), replace=False)
    return [pairs[i] for i in sorted(chosen.tolist())]


def shift(folder: Path, seed: int) -> list[str]:
    """Move masks by 5 % of the longer side, in any direction; the edge is repeated."""
    rng = np.random.default_rng(seed)
    chosen = some(folder, seed)
    for _, _, path in chosen:
        mask, angle = read(path), rng.uniform(0, 2 * np.pi)
        far = 0.05 * max(mask.shape)
        by = round(far * np.sin(angle)), round(far * np.cos(angle))
        write(path, ndimage.shift(mask, by, order=0, mode="nearest"))
    return [stem for stem, *_ in chosen]


def turn(folder: Path, seed: int) -> list[str]:
    """Turn or mirror masks, in one of the ways that keep their size."""
    rng = np.random.default_rng(seed)
    chosen = some(folder, seed)
    for _, _, path in chosen:
        mask = read(path)
        ways = TURNS if mask.shape[0] == mask.shape[1] else TURNS[:3]
        write(path, ways[rng.integers(len(ways))](mask))
    return [stem for stem, *_ in chosen]


def swap(folder: Path, seed: int) -> list[str]:
    """Exchange two masks of one size, of pairs that are at least ten files apart."""
    rng = np.random.default_rng(seed)
    pairs = list(stems(folder).items())
    sizes = [read(mask).shape for _, (_, mask) in pairs]
    full = [bool(np.ptp(read(mask))) for _, (_, mask) in pairs]
    fit = [
        (i, j)
        for i in range(len(pairs))
        for j in range(i + 10, len(pairs))
        if sizes[i] == sizes[j] and full[i] and full[j]
        if pairs[i][0].split("_")[0] != pairs[j][0].split("_")[0]
        or "slide" not in pairs[i][0]
    ]  # fmt: skip
    i, j = fit[rng.integers(len(fit))]
    (one, (_, first)), (two, (_, second)) = pairs[i], pairs[j]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    return [one, two]


def _change_all(folder: Path, change: Callable[[Pixels], Pixels]) -> list[str]:
    for _, path in stems(folder).values():
        write(path, change(read(path)))
    return []


def shift_all(folder: Path, seed: int) -> list[str]:
    """Move all masks by 4 % of the longer side, in one direction."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)

    def moved(mask: Pixels) -> Pixels:
        far = 0.04 * max(mask.shape)
        by = round(far * np.sin(angle)), round(far * np.cos(angle))
        return np.asarray(ndimage.shift(mask, by, order=0, mode="nearest"))

    return _change_all(folder, moved)


def mirror_all(folder: Path, seed: int) -> list[str]:
    """Mirror all masks, left-right or top-bottom, or turn them upside down."""
    return _change_all(folder, TURNS[int(np.random.default_rng(seed).integers(3))])


def shuffle_all(folder: Path, seed: int) -> list[str]:
    """Give every mask to another image of its size; masks alone in their size are left out."""
    by_size: dict[tuple[int, ...], list[tuple[Path, Path]]] = {}
    for paths in stems(folder).values():
        by_size.setdefault(read(paths[1]).shape, []).append(paths)
    rng = np.random.default_rng(seed)
    for group in by_size.values():
        if len(group) == 1:
            for path in group[0]:
                path.unlink()
            continue
        order = rng.permutation(len(group))
        contents = [group[k][1].read_bytes() for k in order]
        for k, content in zip(np.roll(order, 1), contents, strict=True):
            group[k][1].write_bytes(content)
    return []


def invert(folder: Path, seed: int) -> list[str]:
    """Exchange foreground and background in one mask of ten, in the file's own values."""
    chosen = some(folder, seed)
    for _, _, path in chosen:
        mask = read(path)
        # Instance ids: what was background becomes one object.
        other = 255 - mask if set(np.unique(mask)) <= {0, 255} else (mask == 0).astype(mask.dtype)
        write(path, other)
    return [stem for stem, *_ in chosen]


def _copies(folder: Path, seed: int, change: Callable[[Pixels], Pixels], jpeg: bool) -> list[str]:
    """Add changed copies of three pairs under names of their own."""
    pairs = list(stems(folder).items())
    chosen = np.random.default_rng(seed).choice(len(pairs), 3, replace=False).tolist()
    made = []
    for number in chosen:
        stem, (image, mask) = pairs[number]
        pixels = change(read(image)[..., :3] if read(image).ndim == 3 else read(image))
        name = folder / "images" / f"{stem}copy{'.jpg' if jpeg else '.png'}"
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(name, quality=80)  # PNG has none, and passes over it
        labels = Image.open(mask).resize(picture.size, Image.Resampling.NEAREST)
        labels.save(folder / "masks" / f"{stem}copy.png")
        made.append(f"{stem}copy")
    return made


def copy_jpeg(folder: Path, seed: int) -> list[str]:
    return _copies(folder, seed, lambda image: image, jpeg=True)


def copy_brighter(folder: Path, seed: int) -> list[str]:
    def brighter(image: Pixels) -> Pixels:
        return np.clip(image * 1.1, 0, 255).astype(np.uint8)

    return _copies(folder, seed, brighter, jpeg=False)


def copy_moved(folder: Path, seed: int) -> list[str]:
    def moved(image: Pixels) -> Pixels:
        by = (1, 2, 0)[: image.ndim]
        return np.asarray(ndimage.shift(image, by, order=0, mode="nearest"))

    return _copies(folder, seed, moved, jpeg=False)


def copy_cropped(folder: Path, seed: int) -> list[str]:
    def cropped(image: Pixels) -> Pixels:
        y, x = (max(1, round(0.01 * n)) for n in image.shape[:2])
        return image[y:-y, x:-x]

    return _copies(folder, seed, cropped, jpeg=False)


def copy_half(folder: Path, seed: int) -> list[str]:
    def half(image: Pixels) -> Pixels:
        size = image.shape[1] // 2, image.shape[0] // 2
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))

    return _copies(folder, seed, half, jpeg=False)
