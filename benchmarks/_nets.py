"""One architecture in four libraries, its work counted, and the machine's matrix-multiply peak.

Base 32, depth 4, one channel in, one out: two 3x3 convolutions at each level, as far as each
library builds it; the parameter counts say how alike they are.
"""

import importlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

FILTERS, DEPTH, SIZE, BATCH = 32, 4, 256, 4


class Work(NamedTuple):
    """Multiplications and additions of one image's convolutions, forwards."""

    all: int
    first: int

    @property
    def step(self) -> int:
        """A training step's: forwards, and both gradients of all but the first layer."""
        return 3 * self.all - self.first


def conv_work(kernel: int, inward: int, outward: int, height: int, width: int) -> int:
    """2 k^2 c_in c_out for each of height x width places where the kernel is laid down.

    These are the output's pixels for a convolution, and the input's for a transposed one.
    """
    return 2 * kernel * kernel * inward * outward * height * width


# By hand: 3x3, 2 to 5 channels, 4 x 6 pixels: 24 places x 9 x 2 x 5 products, and as many sums.
assert conv_work(3, 2, 5, 4, 6) == 4320


# --- Keras ------------------------------------------------------------------------------------


def plain(keras: Any) -> Any:
    """The U-Net as the common tutorials write it: ReLU in the convolutions, no normalisation."""
    layers = keras.layers

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
        return x

    inputs = keras.Input((SIZE, SIZE, 1))
    x, skips = inputs, []
    for level in range(DEPTH):
        skips.append(twice(x, FILTERS * 2**level))
        x = layers.MaxPooling2D((2, 2))(skips[-1])
    x = twice(x, FILTERS * 2**DEPTH)
    for level in reversed(range(DEPTH)):
        x = layers.concatenate([layers.UpSampling2D((2, 2))(x), skips[level]])
        x = twice(x, FILTERS * 2**level)
    outputs = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(x)
    return keras.Model(inputs, outputs)


def keras_net(library: str) -> Any:
    """The net of a library that is written in Keras."""
    from unet_helpers import keras, unet

    if library == "plain Keras":
        return plain(keras)
    if library == "keras-unet":
        from _peers import keras_unet_module

        custom_unet = keras_unet_module("models.custom_unet").custom_unet
        return custom_unet((SIZE, SIZE, 1), filters=FILTERS, num_layers=DEPTH)
    if library == "ours, transpose":
        return unet((SIZE, SIZE, 1), filters=FILTERS, depth=DEPTH, upsampling="transpose")
    return unet((SIZE, SIZE, 1), filters=FILTERS, depth=DEPTH)


def keras_work(model: Any) -> Work:
    """Counted from the shapes of a Keras model's convolutions."""
    counts = []
    for layer in model.layers:
        if "Conv2D" not in type(layer).__name__:
            continue
        transposed = "Transpose" in type(layer).__name__
        places = (layer.input if transposed else layer.output).shape[1:3]
        kernel, inward, outward = layer.kernel.shape[0], layer.input.shape[-1], layer.filters
        counts.append(conv_work(kernel, inward, outward, *places))
    return Work(sum(counts), counts[0])


# --- MONAI ------------------------------------------------------------------------------------


def basic_unet() -> Any:
    """MONAI's BasicUNet; its last level of the way up has as many channels as its first down."""
    features = tuple(FILTERS * 2**level for level in range(DEPTH + 1)) + (FILTERS,)
    nets = importlib.import_module("monai.networks.nets")
    return nets.BasicUNet(spatial_dims=2, in_channels=1, out_channels=1, features=features)


def torch_work(net: Any, torch: Any) -> Work:
    """Counted while one image runs through."""
    counts: list[int] = []

    def note(layer: Any, given: Any, found: Any) -> None:
        transposed = isinstance(layer, torch.nn.ConvTranspose2d)
        places = (given[0] if transposed else found).shape[2:]
        sides = layer.kernel_size[0], layer.in_channels, layer.out_channels
        counts.append(conv_work(*sides, *places))

    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        net(torch.zeros(1, 1, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    return Work(sum(counts), counts[0])


# --- the machine's peak -------------------------------------------------------------------------


def peak(multiply: Callable[[], Any], side: int, seconds: float = 3.0) -> float:
    """Best rate of a square matrix product, in operations a second; products alternate nothing."""
    multiply()
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def peaks(side: int = 2048) -> Iterator[tuple[str, str, float]]:
    """Library, precision, operations a second, for each library that is installed."""
    square = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    yield "numpy", "float32", peak(lambda: square @ square, side)
    for name in ("float32", "bfloat16"):
        yield "tensorflow", name, peak(_tensorflow_product(square, name), side)
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return
    for name in ("float32", "bfloat16"):
        left = torch.from_numpy(square).to(getattr(torch, name))
        yield "torch", name, peak(lambda left=left: left @ left, side)  # type: ignore[misc]


def _tensorflow_product(square: Any, precision: str) -> Callable[[], Any]:
    tf = importlib.import_module("tensorflow")
    left = tf.cast(square, precision)
    return lambda: tf.matmul(left, left).numpy()
