"""The U-Net, built from stock Keras layers only."""

import math
from typing import Any

from unet_helpers import keras

layers = keras.layers

UPSAMPLING = ("nearest", "bilinear", "transpose")
NORMS = ("batch", "group", "instance", None)
PADDINGS = ("same", "valid")


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
    padding: str = "same",
) -> keras.Model:
    """Build a U-Net (Ronneberger, Fischer and Brox 2015), uncompiled.

    Two 3x3 convolutions at each level, 2x2 max pooling on the way down, up-sampling and a skip
    connection on the way up. Convolutions are zero-padded, unlike the paper's, so that the output
    has the input's size; ``padding="valid"`` builds them as the paper does.

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
    padding : {"same", "valid"}
        "valid": no convolution looks beyond the image, so that the output is smaller than the
        input, by 184 pixels for depth 4 (572 gives 388), and skip connections are cropped. Not
        every size fits; `predict` finds one and mirrors the image around its borders.

    Returns
    -------
    keras.Model
        Takes float images (batch, height, width, channels), gives float32 probabilities
        (batch, height, width, num_classes).

    Raises
    ------
    ValueError
        If an argument is out of range, the height or the width does not fit the depth, or valid
        padding is combined with a stem or bilinear up-sampling.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), U-Net: Convolutional Networks for Biomedical Image
       Segmentation, MICCAI, doi:10.1007/978-3-319-24574-4_28.

    Examples
    --------
    >>> unet((64, 64, 3), filters=8, depth=2).output_shape
    (None, 64, 64, 1)
    >>> unet((572, 572, 1), filters=8, depth=4, padding="valid").output_shape
    (None, 388, 388, 1)
    """
    _check_choice("norm", norm, NORMS)
    _check_choice("padding", padding, PADDINGS)
    _check_choice("upsampling", upsampling, UPSAMPLING)
    _check_numbers(num_classes, filters, depth, dropout, stem)
    _check_valid(padding, upsampling, stem)
    _check_input_size(input_size, depth, stem, padding)
    inputs = keras.Input(input_size, name="image")
    x, skips = inputs, []
    if stem > 1:
        x = layers.Conv2D(filters, stem, strides=stem, name="stem")(x)
    for level in range(depth):
        x = _block(x, filters * 2**level, norm, padding, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
    x = _block(x, filters * 2**depth, norm, padding, "bottom")
    if dropout:
        x = layers.Dropout(dropout, name="bottom_dropout")(x)
    for level in reversed(range(depth)):
        x = _enlarge(x, filters * 2**level, upsampling, f"up{level}_enlarge")
        skip = skips[level] if padding == "same" else _cropped(skips[level], depth, level)
        x = layers.Concatenate(name=f"up{level}_concat")([skip, x])
        x = _block(x, filters * 2**level, norm, padding, f"up{level}")
    return keras.Model(inputs, _output(x, num_classes, stem), name="unet")


def _block(x: Any, filters: int, norm: str | None, padding: str, name: str) -> Any:
    for part in (1, 2):
        # A bias before a normalisation that subtracts the mean would have no effect.
        settings = {"padding": padding, "use_bias": norm is None, "name": f"{name}_conv{part}"}
        x = layers.Conv2D(filters, 3, **settings)(x)
        if norm is not None:
            x = _norm_layer(norm, filters, f"{name}_norm{part}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{part}")(x)
    return x


def _cropped(skip: Any, depth: int, level: int) -> Any:
    """A skip connection's middle, as large as what comes up from below without padding."""
    # The bottom's two convolutions take 2 pixels off each side. A level further up they count
    # twice, and its own four convolutions, two on the way down and two up, take 4.
    side = 4
    for _ in range(depth - 1 - level):
        side = 2 * side + 8
    return layers.Cropping2D(side, name=f"down{level}_crop")(skip)


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


def _check_numbers(num_classes: int, filters: int, depth: int, dropout: float, stem: int) -> None:
    counts = {"num_classes": num_classes, "filters": filters, "depth": depth, "stem": stem}
    for argument, number in counts.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"{argument} must be a whole number of at least 1, found {number!r}: correct it"
            )
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be from 0 to below 1, found {dropout}: try 0.2")


def _check_valid(padding: str, upsampling: str, stem: int) -> None:
    if padding != "valid":
        return
    if stem > 1:
        raise ValueError(
            f'stem must be 1 with padding="valid", found {stem}: its output layer looks beyond '
            "the border; leave one of the two out"
        )
    if upsampling == "bilinear":
        raise ValueError(
            'upsampling must be "nearest" or "transpose" with padding="valid", found "bilinear": '
            "it repeats the border, as padding does; choose another"
        )


def _check_input_size(
    input_size: tuple[int | None, int | None, int], depth: int, stem: int, padding: str
) -> None:
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3 or not input_size[2]:
        raise ValueError(
            "input_size must be (height, width, channels) with the channels given, found "
            f"{input_size!r}: try (256, 256, 3), or (None, None, 3) for any size"
        )
    multiple, name = stem * 2**depth, "2**depth" if stem == 1 else "stem * 2**depth"
    # Without padding, 4 pixels are lost before each pooling, and one is needed in the end.
    lost = 4 * (2**depth - 1) if padding == "valid" else 0
    bottom = 5 + lost // multiple if padding == "valid" else 1  # pixels, so that one comes out
    least = lost + multiple * bottom
    for side, pixels in zip(("height", "width"), input_size[:2], strict=True):
        if pixels is None or (pixels >= least and (pixels - lost) % multiple == 0):
            continue
        down = max(lost + (pixels - lost) // multiple * multiple, 0)
        near = " or ".join(str(p) for p in (down, max(down + multiple, least)) if p >= least)
        rule = f"that {name} = {multiple} divides"
        if lost:
            rule = f"of {lost} more than a multiple of {multiple}, and at least {least}"
        raise ValueError(
            f"input_size must have a {side} {rule}, found "
            f"{pixels}: use {near}, a smaller depth, or None and predict(), which pads"
        )
