"""What a model needs around a pixel, and which sizes it takes: read off its layers."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras

layers = keras.layers

# Layers that give each pixel from that pixel alone; at prediction time, dropout gives it as it is.
_POINTWISE = (
    layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Softmax,
    layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise,
    layers.Rescaling, layers.Normalization, layers.Concatenate, layers.Add, layers.Multiply,
    layers.Average, layers.Maximum, layers.Identity, layers.InputLayer,
)  # fmt: skip
# These take statistics of the whole image; `receptive_field` leaves that aside.
GLOBAL_NORMS = (
    layers.GroupNormalization, layers.LayerNormalization, layers.UnitNormalization,
    layers.RMSNormalization,
)  # fmt: skip
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
_POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)


def size_multiple(model: keras.Model) -> int:
    """The step from one size of the input that the model takes to the next.

    Parameters
    ----------
    model : keras.Model
        A U-Net: every pooling layer and strided convolution lies on the one way down.

    Returns
    -------
    int
        Product of their strides, stem * 2**depth for `unet`. Padded, the model takes its multiples.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> size_multiple(unet((None, None, 1), filters=4, depth=3))
    8
    """
    shrinking = (*_POOLINGS, *_CONVOLUTIONS)
    return math.prod(each.strides[0] for each in model.layers if isinstance(each, shrinking))


def output_length(model: keras.Model, length: int) -> int | None:
    """Height, or width, of the output for this height, or width, of the input.

    Parameters
    ----------
    model : keras.Model
        As in `receptive_field`.
    length : int
        Pixels.

    Returns
    -------
    int or None
        None where the model does not take this size: a pooling would drop a row, or paths of
        different lengths would meet.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((None, None, 1), filters=4, depth=4, padding="valid")
    >>> output_length(model, 572), output_length(model, 573)
    (388, None)
    """
    lengths = {id(model.inputs[0]): length}
    for node in calls(model):
        found = {_shorten(node.operation, lengths[id(tensor)]) for tensor in node.input_tensors}
        only = found.pop()
        if found or only is None or only < 1:
            return None
        lengths[id(node.outputs[0])] = only
    return lengths[id(model.outputs[0])]


def calls(model: keras.Model) -> list[Any]:
    """Calls of layers, from the image on; each knows its layer, its inputs and its output.

    Parameters
    ----------
    model : keras.Model
        A graph of layers; a Sequential keeps its own in an inner model.

    Returns
    -------
    list of keras.Node
        The image itself, which no layer makes, is left out.
    """
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in nodes if node.input_tensors]


def _shorten(layer: keras.layers.Layer, length: int) -> int | None:
    if isinstance(layer, layers.Conv2DTranspose):
        return length * layer.strides[0]
    if isinstance(layer, layers.UpSampling2D):
        return length * layer.size[0]
    if isinstance(layer, layers.Cropping2D):
        return length - sum(layer.cropping[0])
    if isinstance(layer, layers.ZeroPadding2D):
        return length + sum(layer.padding[0])
    if not isinstance(layer, (*_CONVOLUTIONS, *_POOLINGS)):
        return length
    if getattr(layer, "padding", "valid") == "valid" and isinstance(layer, _CONVOLUTIONS):
        length -= _extent(layer) - layer.strides[0]
    stride = layer.strides[0]
    return None if length % stride else length // stride


def _extent(layer: Any) -> int:
    """Pixels from the first to the last that a convolution's kernel looks at."""
    return (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1


class Sizes(NamedTuple):
    """Which sizes a model takes, and how much less it gives.

    Attributes
    ----------
    step : int
        From one size to the next, `size_multiple`.
    least : int
        The smallest size.
    margin : int
        Pixels that the output lacks on each side: 0 for a padded model.
    """

    step: int
    least: int
    margin: int

    def fitting(self, length: int) -> int:
        """The smallest size of the input whose output has at least this length."""
        lack = length + 2 * self.margin - self.least
        return self.least + max(0, -(-lack // self.step)) * self.step


def sizes(model: keras.Model) -> Sizes:
    """Find out which sizes a model takes.

    Parameters
    ----------
    model : keras.Model
        As in `receptive_field`.

    Returns
    -------
    Sizes

    Raises
    ------
    ValueError
        If it takes none, or lacks an odd number of pixels in its output.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> found = sizes(unet((None, None, 1), filters=4, depth=4, padding="valid"))
    >>> found, found.fitting(388), found.fitting(389)
    (Sizes(step=16, least=188, margin=92), 572, 588)
    """
    step = size_multiple(model)
    for length in range(step, 80 * step):  # all strides divide it, so it is no shorter
        made = output_length(model, length)
        if made is None:
            continue
        if (length - made) % 2 or length < made:
            break
        return Sizes(step, length, (length - made) // 2)
    raise ValueError(
        "model must give an output of the input's size, or smaller by as much on each side, found "
        f"none of {80 * step} pixels or less for which {model.name!r} does: predict with the model "
        "itself"
    )


def run_padded(
    model: keras.Model,
    image: NDArray[np.floating[Any]],
    call: Callable[[NDArray[np.float32]], Any] | None = None,
) -> NDArray[np.float32]:
    """Run the model on one image, mirrored at its edges up to the next size that it takes.

    A model with padding of its own needs more rows and columns only at the lower and right edges;
    one without needs its margin on every side.

    Parameters
    ----------
    model : keras.Model
        A U-Net; of fixed size, its size is the one taken.
    image : ndarray of float, shape (height, width, channels)
        Scaled as in training.
    call : callable, optional
        Runs the model on a batch of one; ``model.predict_on_batch`` by default, which is fast once
        it has traced its graph.

    Returns
    -------
    ndarray of float32, shape (height, width, outputs)

    Examples
    --------
    >>> from unet_helpers import unet
    >>> run_padded(unet((None, None, 1), filters=4, depth=2), np.zeros((5, 7, 1))).shape
    (5, 7, 1)
    """
    rule = sizes(model)
    padding = [(0, 0)] * 3
    for axis, fixed in enumerate(model.input_shape[1:3]):
        whole = fixed or rule.fitting(image.shape[axis])
        padding[axis] = (rule.margin, whole - image.shape[axis] - rule.margin)
    padded = np.pad(image.astype(np.float32, copy=False), padding, mode="symmetric")
    output = (call or model.predict_on_batch)(padded[None])
    found: NDArray[np.float32] = keras.ops.convert_to_numpy(output).astype(np.float32, copy=False)
    return found[0, : image.shape[0], : image.shape[1]]


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
        Made of convolutions, poolings, up-samplings and layers that treat each pixel by itself.
        Group and instance normalisation look at the whole image; that is not counted here.

    Returns
    -------
    ReceptiveField
        Widths and reach in pixels.

    Raises
    ------
    ValueError
        If a layer is of another kind.

    References
    ----------
    .. [1] Luo, Li, Urtasun, Zemel (2016), Understanding the Effective Receptive Field in Deep
       Convolutional Neural Networks, NeurIPS, arXiv:1701.04128.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> receptive_field(unet((None, None, 1), filters=4, depth=1))
    ReceptiveField(narrowest=18, widest=18, reach=9)
    """
    period, margin = size_multiple(model), sizes(model).margin
    fields = []
    for phase in range(period):
        start, stop = trace_back(model, phase)
        fields.append((stop - start + 1, phase + margin - start, stop - phase - margin))
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
    >>> from unet_helpers import unet
    >>> trace_back(unet((None, None, 1), filters=4, depth=1), 100)
    (92, 109)
    """
    needed = {id(model.outputs[0]): (pixel, pixel)}
    for node in reversed(calls(model)):
        if id(node.outputs[0]) not in needed:
            continue
        wanted = _widen(node.operation, *needed[id(node.outputs[0])])
        for tensor in node.input_tensors:
            old = needed.get(id(tensor), wanted)
            needed[id(tensor)] = (min(old[0], wanted[0]), max(old[1], wanted[1]))
    return needed[id(model.inputs[0])]


def halo(model: keras.Model) -> int:
    """Pixels around a tile that its prediction depends on, if the tile starts where a pooling does.

    Parameters
    ----------
    model : keras.Model
        As in `receptive_field`.

    Returns
    -------
    int
        A multiple of `size_multiple`; a model without padding needs its margin and no halo: 0.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> halo(unet((None, None, 1), filters=4, depth=4))  # less than the reach, which is 107
    96
    """
    step, _, margin = sizes(model)
    if margin:
        return 0
    reaches = [trace_back(model, phase) for phase in range(step)]
    needed = max(max(-first, last - step + 1) for first, last in reaches)
    return -(-needed // step) * step


def _widen(layer: keras.layers.Layer, first: int, last: int) -> tuple[int, int]:
    if isinstance(layer, layers.Conv2DTranspose):
        # Input i is laid down from output i * stride - before on, `kernel` pixels long.
        stride, kernel = layer.strides[0], layer.kernel_size[0]
        before = (kernel - stride) // 2 if layer.padding == "same" else 0
        return (first + before - kernel) // stride + 1, (last + before) // stride
    if isinstance(layer, _CONVOLUTIONS):
        stride, extent = layer.strides[0], _extent(layer)
        before = (extent - stride) // 2 if layer.padding == "same" else 0
        return stride * first - before, stride * last - before + extent - 1
    if isinstance(layer, _POOLINGS):
        stride = layer.strides[0]
        return stride * first, stride * last + stride - 1
    if isinstance(layer, layers.UpSampling2D):
        return _widen_enlarged(layer, first, last)
    if isinstance(layer, layers.Cropping2D):
        return first + layer.cropping[0][0], last + layer.cropping[0][0]
    if isinstance(layer, layers.ZeroPadding2D):
        return first - layer.padding[0][0], last - layer.padding[0][0]
    if not isinstance(layer, (*_POINTWISE, *GLOBAL_NORMS)):
        raise ValueError(
            f"model must have layers whose receptive field is known, found {layer.name!r} "
            f"({type(layer).__name__}): predict with tile=None, the whole image at once"
        )
    return first, last


def _widen_enlarged(layer: Any, first: int, last: int) -> tuple[int, int]:
    times = layer.size[0]
    if layer.interpolation == "nearest":
        return first // times, last // times
    # Bilinear between the middles of pixels: one to the left and one to the right of the place.
    return (2 * first + 1 - times) // (2 * times), -(-(2 * last + 1 - times) // (2 * times))
