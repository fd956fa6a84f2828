"""The recipes of others, written anew from their published descriptions, each behind one clock.

Every function trains on the samples until the watch says stop. The clock is started after the
imports, and covers building, tracing and training.
"""

import importlib
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _watch import Predict, Watch
from numpy.typing import NDArray

from unet_helpers import Samples

THREADS = 2


def torch_threads() -> Any:
    """PyTorch on the cores that TensorFlow has too."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(THREADS)
    return torch


# --- MONAI's tutorial -----------------------------------------------------------------------------
def monai_net() -> Any:
    """The tutorial's network: residual units, instance normalisation, strided convolutions."""
    return importlib.import_module("monai.networks.nets").UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=(16, 32, 64, 128, 256),
        strides=(2, 2, 2, 2),
        num_res_units=2,
    )


def _monai_batches(samples: Samples, images: int, workers: int) -> Iterator[dict[str, Any]]:
    data, tf = (importlib.import_module(f"monai.{part}") for part in ("data", "transforms"))
    both = ["img", "seg"]
    change = tf.Compose(
        [
            tf.ScaleIntensityd(keys=both),
            tf.RandCropByPosNegLabeld(
                keys=both, label_key="seg", spatial_size=[96, 96], pos=1, neg=1, num_samples=4
            ),
            tf.RandRotate90d(keys=both, prob=0.5, spatial_axes=[0, 1]),
        ]
    )
    pairs = [
        {"img": s.image.transpose(2, 0, 1), "seg": s.mask[None].astype(np.float32)} for s in samples
    ]
    loader = data.DataLoader(
        data.Dataset(pairs, change),
        batch_size=images,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=data.list_data_collate,
    )
    while True:
        yield from loader


def monai(samples: Samples, seed: int, watch: Watch, images: int = 2, workers: int = 0) -> None:
    """MONAI's tutorial recipe: Dice loss, Adam at 1e-3, crops of 96 x 96, four from an image.

    After ``2d_segmentation/torch/unet_training_dict.py`` of the repository Project-MONAI/tutorials.
    In its favour: images come from memory instead of files, and no process is started for each
    epoch; scored both on the whole image and, as the tutorial does, on windows of 96 x 96.
    """
    torch = torch_threads()
    losses = importlib.import_module("monai.losses")
    windows = importlib.import_module("monai.inferers").sliding_window_inference
    importlib.import_module("monai.utils").set_determinism(seed)
    watch.start()
    net, criterion = monai_net(), losses.DiceLoss(sigmoid=True)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)

    def whole(image: NDArray[np.float32], tiled: bool = False) -> NDArray[np.float32]:
        # The tutorial scales each image to 0..1 by its own darkest and brightest pixel.
        low, high = image.min(), image.max()
        pixels = torch.from_numpy(((image - low) / (high - low)).transpose(2, 0, 1)[None])
        net.eval()
        with torch.no_grad():
            logits = windows(pixels, (96, 96), 4, net) if tiled else net(pixels)
        net.train()
        return torch.sigmoid(logits)[0, 0].numpy()

    for batch in _monai_batches(samples, images, workers):
        optimizer.zero_grad()
        loss = criterion(net(batch["img"]), batch["seg"])
        loss.backward()
        optimizer.step()
        if not watch.step(whole, lambda image: whole(image, tiled=True)):
            return


def monai_16(samples: Samples, seed: int, watch: Watch) -> None:
    """The same with batches of 16 crops instead of 8."""
    monai(samples, seed, watch, images=4)


# --- keras-unet -----------------------------------------------------------------------------------
def keras_unet_module(name: str) -> Any:
    """One file of the installed package, whose ``__init__`` needs modules that are gone."""
    spec = find_spec("keras_unet")
    if spec is None:
        raise ModuleNotFoundError("keras_unet must be installed, found none: run make peers")
    for dotted in ("keras_unet", *(["keras_unet.models"] if "." in name else [])):
        shell = types.ModuleType(dotted)
        folders = dotted.split(".")[1:]
        places = spec.submodule_search_locations or []
        shell.__path__ = [str(Path(place).joinpath(*folders)) for place in places]
        shell.TF = True  # type: ignore[attr-defined]  # its files ask for it: tensorflow.keras
        sys.modules[dotted] = shell
    return importlib.import_module(f"keras_unet.{name}")


class Enough(Exception):
    """Ends a training within an epoch; Keras itself swallows a StopIteration."""


def fit(model: Any, watch: Watch, predict: Predict, *data: Any, **settings: Any) -> bool:
    """``model.fit`` with the watch after every step; whether it came to its own end."""
    from unet_helpers import keras

    class Step(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not watch.step(predict):
                raise Enough

    try:
        model.fit(*data, callbacks=[Step()], verbose=0, **settings)
    except Enough:
        return False
    return True


def keras_unet(samples: Samples, seed: int, watch: Watch) -> None:
    """keras-unet's ``custom_unet`` with its own defaults, its augmentation, Adam and cross-entropy.

    Version 0.1.2 of the package, whole images of 512 x 512, batches of two: see
    ``notebooks/kz-whale-tails.ipynb`` of the repository karolzak/keras-unet.
    """
    from unet_helpers import keras

    custom_unet = keras_unet_module("models.custom_unet").custom_unet
    images, masks = samples.stack()
    keras.utils.set_random_seed(seed)
    watch.start()
    model = custom_unet(images.shape[1:])
    model.compile(optimizer=keras.optimizers.Adam(), loss="binary_crossentropy")
    stream = _keras_unet_stream(images, masks.astype(np.float32), seed)

    def probability(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(model.predict_on_batch(image[None]), np.float32)[0, ..., 0]

    fit(model, watch, probability, stream, steps_per_epoch=len(images) // 2, epochs=100_000)


def _keras_unet_stream(
    images: NDArray[np.float32], masks: NDArray[np.float32], seed: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Its ``get_augmented``: rotation, shift and shear, by Keras' old generator."""
    generator = importlib.import_module("keras.src.legacy.preprocessing.image").ImageDataGenerator
    settings = {
        "rotation_range": 10.0,
        "height_shift_range": 0.02,
        "shear_range": 5,
        "horizontal_flip": True,
        "fill_mode": "constant",
    }
    flows = [
        generator(**settings).flow(array, batch_size=2, shuffle=True, seed=seed)
        for array in (images, masks)
    ]
    return ((image, mask) for image, mask in zip(*flows, strict=True))


# --- the seed's recipe ----------------------------------------------------------------------------
def common(samples: Samples, seed: int, watch: Watch, epochs: int = 2, size: int = 256) -> None:
    """The common tutorial recipe: 64 filters, no normalisation, adam, cross-entropy, batches of 8.

    Squares of 256 x 256 that cover the images. It ends after `epochs` or with the watch.
    """
    from unet_helpers import keras, unet

    images, masks = (_tiles(array, size) for array in samples.stack())
    keras.utils.set_random_seed(seed)
    watch.start()
    model = unet((size, size, images.shape[-1]), norm=None)
    model.compile(optimizer="adam", loss="binary_crossentropy")

    def probability(image: NDArray[np.float32]) -> NDArray[np.float32]:
        tiles = np.asarray(model.predict(_tiles(image[None], size), batch_size=2, verbose=0))
        down, across = image.shape[0] // size, image.shape[1] // size
        grid = tiles[..., 0].reshape(down, across, size, size)
        return grid.transpose(0, 2, 1, 3).reshape(down * size, across * size)

    if fit(model, watch, probability, images, masks, batch_size=8, epochs=epochs):
        watch.score(probability)


def _tiles(array: NDArray[Any], size: int) -> NDArray[Any]:
    number, height, width, channels = array.shape
    down, across = height // size, width // size
    cut = array[:, : down * size, : across * size]
    grid = cut.reshape(number, down, size, across, size, channels)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(-1, size, size, channels)


PEERS = {"monai": monai, "monai_16": monai_16, "keras_unet": keras_unet, "common": common}
