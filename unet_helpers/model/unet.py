"""The U-Net, built from stock Keras layers only, and the receptive field of a built model."""

import math
from typing import Any, NamedTuple

from unet_helpers import keras

layers = keras.layers

UPSAMPLING = ("nearest", "bilinear", "transpose")
NORMS = ("batch", "group", "instance", None)


def unet(
    input_size: tuple[int | None, int | None, int] = (256, 256, 3),
    num_classes: int = 1,
    filters: int = 64,
    depth: int = 4,
    *,
    norm: str | None = "batch",
    upsampling: str = "nearest",
    dropout: float = 0.0,
    stem: int = 1,
) -> keras.Model:
    """Build a U-Net (Ronneberger, Fischer and Brox 2015), uncompiled.

    Two 3x3 convolutions at each level, 2x2 max pooling on the way down, up-sampling and a skip
    connection on the way up. Convolutions are zero-padded, unlike the paper's, so that the output
    has the input's size.

    Parameters
    ----------
    input_size : tuple of (int or None, int or None, int)
        Height, width and channels. ``(None, None, 3)`` takes every height and width that
        stem * 2**depth divides.
    num_classes : int
        1 for a sigmoid output (foreground or not); 2 and more for a softmax over the classes.
    filters : int
        Channels at the first level; each deeper level doubles them.
    depth : int
        How often the image is halved.
    norm : {"batch", "group", "instance", None}
        Normalisation after each convolution. ``None`` gives the net as older tutorials build it.
    upsampling : {"nearest", "bilinear", "transpose"}
        Repeat pixels, interpolate, or learn it (2x2 transposed convolution, as in the paper).
    dropout : float
        Share of activations dropped at the bottom of the U while training.
    stem : int
        Above 1, a first, strided convolution folds so many pixels a side into one, and the output
        layer, a transposed one, unfolds them into squares of twice that side, which overlap: a
        U-Net on a quarter of the pixels for 2, on a sixteenth for 4. Nearly all of a U-Net's work
        is done at full size, so training gets fast.

    Returns
    -------
    keras.Model
        Takes float images (batch, height, width, channels), gives float32 probabilities
        (batch, height, width, num_classes).

    Raises
    ------
    ValueError
        If an argument is out of range, or stem * 2**depth does not divide the height or the width.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), U-Net: Convolutional Networks for Biomedical Image
       Segmentation, MICCAI, doi:10.1007/978-3-319-24574-4_28.

    Examples
    --------
    >>> unet((64, 64, 3), filters=8, depth=2).output_shape
    (None, 64, 64, 1)
    """
    _check_choice("norm", norm, NORMS)
    _check_choice("upsampling", upsampling, UPSAMPLING)
    _check_sizes(input_size, num_classes, filters, depth, dropout, stem)
    inputs = keras.Input(input_size, name="image")
    x, skips = inputs, []
    if stem > 1:
        x = layers.Conv2D(filters, stem, strides=stem, name="stem")(x)
    for level in range(depth):
        x = _block(x, filters * 2**level, norm, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
    x = _block(x, filters * 2**depth, norm, "bottom")
    if dropout:
        x = layers.Dropout(dropout, name="bottom_dropout")(x)
    for level in reversed(range(depth)):
        x = _enlarge(x, filters * 2**level, upsampling, f"up{level}_enlarge")
        x = layers.Concatenate(name=f"up{level}_concat")([skips[level], x])
        x = _block(x, filters * 2**level, norm, f"up{level}")
    return keras.Model(inputs, _output(x, num_classes, stem), name="unet")


def _block(x: Any, filters: int, norm: str | None, name: str) -> Any:
    for part in (1, 2):
        # A bias before a normalisation that subtracts the mean would have no effect.
        bias = norm is None
        x = layers.Conv2D(filters, 3, padding="same", use_bias=bias, name=f"{name}_conv{part}")(x)
        if norm is not None:
            x = _norm_layer(norm, filters, f"{name}_norm{part}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{part}")(x)
    return x


def _norm_layer(norm: str, filters: int, name: str) -> Any:
    if norm == "batch":
        # Keras' momentum of 0.99 needs some 500 steps before the running mean and variance, which
        # prediction uses, catch up with the batches': a short training would look like a failure.
        return layers.BatchNormalization(momentum=0.9, name=name)
    groups = filters if norm == "instance" else math.gcd(8, filters)
    return layers.GroupNormalization(groups, name=name)


def _enlarge(x: Any, filters: int, upsampling: str, name: str) -> Any:
    if upsampling == "transpose":
        return layers.Conv2DTranspose(filters, 2, strides=2, name=name)(x)
    return layers.UpSampling2D(2, interpolation=upsampling, name=name)(x)


def _output(x: Any, classes: int, stem: int) -> Any:
    settings = {
        "activation": "sigmoid" if classes == 1 else "softmax",
        # float32 even under a mixed-precision policy: probabilities near 0 and 1 need the digits.
        "dtype": "float32",
        "name": "output",
    }
    if stem > 1:
        # Squares side by side would give outlines in steps of `stem` pixels; overlapping, they mix.
        kernel = 2 * stem
        return layers.Conv2DTranspose(classes, kernel, strides=stem, padding="same", **settings)(x)
    return layers.Conv2D(classes, 1, **settings)(x)


def _check_choice(argument: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        raise ValueError(
            f"{argument} must be one of {', '.join(map(repr, allowed))}, found {value!r}: "
            "choose one of them"
        )


def _check_sizes(
    input_size: tuple[int | None, int | None, int],
    num_classes: int,
    filters: int,
    depth: int,
    dropout: float,
    stem: int,
) -> None:
    counts = {"num_classes": num_classes, "filters": filters, "depth": depth, "stem": stem}
    for argument, number in counts.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"{argument} must be a whole number of at least 1, found {number!r}: correct it"
            )
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be from 0 to below 1, found {dropout}: try 0.2")
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3 or not input_size[2]:
        raise ValueError(
            "input_size must be (height, width, channels) with the channels given, found "
            f"{input_size!r}: try (256, 256, 3), or (None, None, 3) for any size"
        )
    multiple = stem * 2**depth
    name = "2**depth" if stem == 1 else "stem * 2**depth"
    for side, pixels in zip(("height", "width"), input_size[:2], strict=True):
        if pixels is not None and (pixels < 1 or pixels % multiple):
            down = pixels // multiple * multiple
            near = " or ".join(str(p) for p in (down, down + multiple) if p > 0)
            raise ValueError(
                f"input_size must have a {side} that {name} = {multiple} divides, found "
                f"{pixels}: use {near}, a smaller depth, or None and predict(), which pads"
            )


def size_multiple(model: keras.Model) -> int:
    """The number that must divide the height and the width of the model's input.

    Parameters
    ----------
    model : keras.Model
        A U-Net: every pooling layer and strided convolution lies on the one way down.

    Returns
    -------
    int
        Product of their strides, stem * 2**depth for `unet`.

    Examples
    --------
    >>> size_multiple(unet((None, None, 1), filters=4, depth=3))
    8
    """
    shrinking = (layers.MaxPooling2D, layers.Conv2D)
    return math.prod(each.strides[0] for each in model.layers if isinstance(each, shrinking))


class ReceptiveField(NamedTuple):
    """How much of the image one output pixel can see, along one axis, in pixels.

    The field differs with the pixel's place in the pooling grid, hence a narrowest and a widest
    one; `reach` is the farthest that any pixel looks to one side.
    """

    narrowest: int
    widest: int
    reach: int


def receptive_field(model: keras.Model) -> ReceptiveField:
    """Trace back, through the layers, which input pixels an output pixel depends on.

    Intervals are propagated from the output to the input: a 3x3 convolution widens an interval by
    one pixel to each side, pooling doubles it, up-sampling halves it, and where paths meet the
    union counts. This is the theoretical field; what a trained net uses of it is less [1]_.

    Parameters
    ----------
    model : keras.Model
        Made of the layers that `unet` uses, with batch normalisation or none. Group and instance
        normalisation look at the whole image; that is not counted here.

    Returns
    -------
    ReceptiveField
        Widths and reach in pixels.

    References
    ----------
    .. [1] Luo, Li, Urtasun, Zemel (2016), Understanding the Effective Receptive Field in Deep
       Convolutional Neural Networks, NeurIPS, arXiv:1701.04128.

    Examples
    --------
    >>> receptive_field(unet((None, None, 1), filters=4, depth=1))
    ReceptiveField(narrowest=18, widest=18, reach=9)
    """
    period = size_multiple(model)
    # Far from the border, so that no interval becomes negative (// rounds down either way).
    fields = []
    for phase in range(period):
        start, stop = trace_back(model, phase)
        fields.append((stop - start + 1, phase - start, stop - phase))
    widths = [width for width, _, _ in fields]
    return ReceptiveField(min(widths), max(widths), max(max(f[1:]) for f in fields))


def trace_back(model: keras.Model, pixel: int) -> tuple[int, int]:
    """First and last input index, along one axis, that the output at index `pixel` depends on.

    Parameters
    ----------
    model : keras.Model
        As in `receptive_field`.
    pixel : int
        Row or column of the output.

    Returns
    -------
    first, last : int
        May lie outside the image, where the padding is.

    Examples
    --------
    >>> trace_back(unet((None, None, 1), filters=4, depth=1), 100)
    (92, 109)
    """
    needed = {id(model.outputs[0]): (pixel, pixel)}
    for depth in sorted(model._nodes_by_depth):  # outputs first, inputs last
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            if not node.input_tensors or id(node.outputs[0]) not in needed:
                continue
            wanted = _widen(layer, *needed[id(node.outputs[0])])
            for tensor in node.input_tensors:
                old = needed.get(id(tensor), wanted)
                needed[id(tensor)] = (min(old[0], wanted[0]), max(old[1], wanted[1]))
    return needed[id(model.inputs[0])]


def _widen(layer: keras.layers.Layer, first: int, last: int) -> tuple[int, int]:
    if isinstance(layer, layers.Conv2DTranspose):
        # Input i is laid down from output i * stride - before on, `kernel` pixels long.
        stride, kernel = layer.strides[0], layer.kernel_size[0]
        before = (kernel - stride) // 2
        return (first + before - kernel) // stride + 1, (last + before) // stride
    if isinstance(layer, layers.Conv2D):
        stride, kernel = layer.strides[0], layer.kernel_size[0]
        before = (kernel - 1) // 2 if layer.padding == "same" else 0
        return stride * first - before, stride * last - before + kernel - 1
    if isinstance(layer, layers.MaxPooling2D):
        return 2 * first, 2 * last + 1
    if isinstance(layer, layers.UpSampling2D):
        if (
            layer.interpolation == "bilinear"
        ):  # an even pixel leans to the left, an odd to the right
            return (first + 1) // 2 - 1, (last + 1) // 2
        return first // 2, last // 2
    return first, last
