"""Images in all the ways in which they are stored, small models, and what is read back."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import tifffile
import zarr

from unet_helpers import keras, predict, unet
from unet_helpers.data.samples import to_float

HEIGHT, WIDTH = 203, 301


@functools.cache
def model_of(channels: int = 1, classes: int = 2, **shape: Any) -> Any:
    """A small net; run eagerly, since every size of window would be traced anew."""
    keras.utils.set_random_seed(channels)
    settings_ = {"depth": 1, "filters": 2, "input_size": (None, None, channels), **shape}
    model = unet(num_classes=classes, **settings_)
    for layer in model.layers:
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([3 * w for w in layer.get_weights()])
    model.compile(run_eagerly=True)
    return model


def picture(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    """Noise over all that the type can hold."""
    rng = np.random.default_rng(sum(shape))
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def whole_of(model: Any, image: np.ndarray, **more: Any) -> np.ndarray:
    return predict(model, to_float(image), **more)


def gap(probabilities: np.ndarray) -> float:
    """A threshold near the median, as far as can be from any probability: rounding cannot cross."""
    values = np.unique(probabilities)
    middle = values[len(values) * 2 // 5 : len(values) * 3 // 5 + 2]
    at = int(np.diff(middle).argmax())
    return float(middle[at : at + 2].mean(dtype=np.float64))


def read(path: Path) -> np.ndarray:
    """The result, by another way than it was written where there is one."""
    return tifffile.imread(path) if path.suffix == ".tif" else zarr.open(str(path), mode="r")[:]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class watched:
    """Hear of every batch that a model is given; what the hook raises, the model raises."""

    def __init__(self, model: Any, hook: Callable[[np.ndarray], object]) -> None:
        self.model, self.hook = model, hook

    def __enter__(self) -> None:
        original = self.model.predict_on_batch
        self.model.predict_on_batch = lambda batch: (self.hook(batch), original(batch))[1]

    def __exit__(self, *error: object) -> None:
        del self.model.predict_on_batch


# --- stores ---------------------------------------------------------------------------------------


def tiff_with(**how: Any) -> Callable[[Path, np.ndarray], Any]:
    def store(folder: Path, image: np.ndarray) -> Path:
        kind = "minisblack" if image.ndim == 2 else "rgb"
        tifffile.imwrite(folder / "a.tif", image, **{"photometric": kind, **how})
        return folder / "a.tif"

    return store


def planes(folder: Path, image: np.ndarray) -> Path:
    """Channels one after another."""
    layers = np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    how = {"photometric": "rgb", "planarconfig": "separate"} if image.ndim == 3 else {}
    tifffile.imwrite(folder / "a.tif", layers, compression="lzw", rowsperstrip=9, **how)
    return folder / "a.tif"


def ome_channels(folder: Path, image: np.ndarray) -> Path:
    """Channels as pages, as microscopes write them."""
    layers = np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    settings_ = {"photometric": "minisblack", "metadata": {"axes": "CYX"[-layers.ndim :]}}
    tifffile.imwrite(folder / "a.ome.tif", layers, tile=(64, 64), **settings_)
    return folder / "a.ome.tif"


def ome_pyramid(folder: Path, image: np.ndarray) -> Path:
    how = {"tile": (32, 32), "compression": "zlib"}
    how["photometric"] = "minisblack" if image.ndim == 2 else "rgb"
    with tifffile.TiffWriter(folder / "a.ome.tif", bigtiff=True) as writer:
        size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeXUnit": "µm"}
        writer.write(image, subifds=2, metadata={**size, "PhysicalSizeYUnit": "µm"}, **how)
        for step in (2, 4):
            writer.write(image[::step, ::step], subfiletype=1, **how)
    return folder / "a.ome.tif"


def inverted(folder: Path, image: np.ndarray) -> Path:
    """White as zero: what is stored is turned when it is read."""
    if image.ndim == 3:
        return tiff_with(tile=(64, 32))(folder, image)
    top = np.iinfo(image.dtype).max
    return tiff_with(photometric="miniswhite", rowsperstrip=7)(folder, top - image)


def with_alpha(folder: Path, image: np.ndarray) -> Path:
    if image.ndim == 2:
        return tiff_with(tile=(48, 16))(folder, image)
    opaque = np.full_like(image[..., :1], 77)
    both = np.concatenate([image, opaque], axis=2)
    return tiff_with(extrasamples=["unassalpha"], tile=(64, 64))(folder, both)


def zarr_with(**how: Any) -> Callable[[Path, np.ndarray], Any]:
    def store(folder: Path, image: np.ndarray) -> Path:
        chunks = how.get("chunks", (40, 70))[: image.ndim] + image.shape[2:]
        sharded = {"shards": (80, 140, *image.shape[2:])} if how.get("sharded") else {}
        named = {"zarr_format": how.get("format", 3), **sharded}
        zarr.create_array(str(folder / "a.zarr"), data=image, chunks=chunks, **named)
        return folder / "a.zarr"

    return store


def zarr_channels_first(folder: Path, image: np.ndarray) -> Path:
    layers = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
    store = str(folder / "a.zarr")
    zarr.create_array(store, data=layers, chunks=(1, 50, 60), dimension_names=("c", "y", "x"))
    return folder / "a.zarr"


def ome_zarr(folder: Path, image: np.ndarray, version: str = "0.4", steps: int = 3) -> Path:
    """Axes t, c, z, y, x, of which t and z have one place."""
    layers = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
    group = zarr.open_group(str(folder / "a.zarr"), mode="w", zarr_format=2 + (version == "0.5"))
    sets = []
    for number in range(steps):
        made = layers[None, :, None, :: 2**number, :: 2**number]
        name = f"s{number}"
        group.create_array(name, shape=made.shape, chunks=(1, 1, 1, 64, 64), dtype=made.dtype)
        group[name][:] = made
        scale = [1.0, 1.0, 1.0, 0.25 * 2**number, 0.5 * 2**number]
        steps_ = [{"type": "scale", "scale": scale}]
        sets.append({"path": name, "coordinateTransformations": steps_})
    axes = [{"name": n, **({"unit": "micrometer"} if n in "yx" else {})} for n in "tczyx"]
    told = {"multiscales": [{"axes": axes, "datasets": sets, "version": version}]}
    group.attrs.update({"ome": told} if version == "0.5" else told)
    return folder / "a.zarr"


def hdf5(folder: Path, image: np.ndarray) -> Any:
    file = h5py.File(folder / "a.h5", "w")
    return file.create_dataset("a", data=image, chunks=(33, 44, *image.shape[2:]))


STORES: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "one strip": tiff_with(),
    "strips": tiff_with(rowsperstrip=17, compression="lzw", predictor=2),
    "tiles": tiff_with(tile=(48, 80), compression="zlib"),
    "tiles, plain": tiff_with(tile=(80, 48)),
    "big-endian": tiff_with(byteorder=">"),
    "big-endian tiles": tiff_with(byteorder=">", tile=(64, 64), compression="zlib"),
    "BigTIFF": tiff_with(bigtiff=True, tile=(128, 128), compression="zstd"),
    "planes": planes,
    "OME channels": ome_channels,
    "OME pyramid": ome_pyramid,
    "white is zero": inverted,
    "alpha": with_alpha,
    "Zarr 3": zarr_with(),
    "Zarr 2": zarr_with(format=2),
    "Zarr in shards": zarr_with(sharded=True),
    "Zarr, channels first": zarr_channels_first,
    "OME-Zarr 0.4": ome_zarr,
    "OME-Zarr 0.5": functools.partial(ome_zarr, version="0.5"),
    "dask": lambda _, image: da.from_array(image, chunks=(90, 77, *image.shape[2:])),
    "HDF5": hdf5,
    "memory": lambda _, image: image,
}
