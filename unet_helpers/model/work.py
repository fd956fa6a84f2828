"""What a model costs: parameters, operations and activations, counted layer by layer."""

import math
from typing import Any, NamedTuple

from unet_helpers import keras
from unet_helpers.model.geometry import calls

layers = keras.layers


class LayerWork(NamedTuple):
    """What one layer costs for one image.

    Attributes
    ----------
    name : str
        The layer's name.
    shape : tuple of int
        Of its output, without the batch: (height, width, channels).
    parameters : int
        Its numbers, those that training does not change included.
    operations : int
        Multiplications and additions of its kernel, forwards; 0 for a layer without one.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    operations: int

    @property
    def activations(self) -> int:
        """How many numbers its output is made of."""
        return math.prod(self.shape)


def count_work(model: keras.Model, height: int, width: int | None = None) -> list[LayerWork]:
    r"""Count, from the shapes of a built model, what each of its layers costs for one image.

    A convolution with kernel :math:`k_h \times k_w` from :math:`c_\text{in}` to
    :math:`c_\text{out}` channels takes

    .. math:: 2 \, k_h k_w \, c_\text{in} c_\text{out} \, h w

    operations, a multiplication and an addition for each weight and place. The places are the
    :math:`h w` pixels of the output, or of the input if the convolution is transposed; windows that
    reach over the padded border count in full. Biases, normalisation, activation and pooling cost a
    few operations a pixel and are left out, as is usual [1]_.

    Parameters
    ----------
    model : keras.Model
        Functional, made of stock layers, with one input (batch, height, width, channels). The
        input's height and width may be None.
    height, width : int
        Of the image; `width` is `height` by default.

    Returns
    -------
    list of LayerWork
        One entry a layer, from the image to the output; the input layer is left out.

    Raises
    ------
    ValueError
        If the size does not fit the model, or a layer has a kernel that cannot be counted.

    Notes
    -----
    The sum of all ``activations``, times 4 bytes in float32, is what the outputs of all layers take
    up. Training keeps most of them until the gradients are computed; prediction frees them on the
    way. A training step takes about three times the operations: forwards, and the gradients with
    respect to the weights and to each layer's input.

    References
    ----------
    .. [1] He, Sun (2015), Convolutional Neural Networks at Constrained Time Cost, CVPR,
       doi:10.48550/arXiv.1412.1710, equation 1 (there in multiply-adds, so without the 2).

    Examples
    --------
    >>> inputs = keras.Input((None, None, 2))
    >>> model = keras.Model(inputs, layers.Conv2D(5, 3, padding="same", name="conv")(inputs))
    >>> count_work(model, 4, 6)  # 24 places x 9 x 2 x 5 products, and as many sums
    [LayerWork(name='conv', shape=(4, 6, 5), parameters=95, operations=4320)]
    """
    width = height if width is None else width
    shapes: dict[int, tuple[int, ...]] = {
        id(model.inputs[0]): (1, height, width, model.inputs[0].shape[-1])
    }
    counted = []
    for node in calls(model):
        given = [shapes[id(tensor)] for tensor in node.input_tensors]
        made = _output_shape(node.operation, given)
        shapes[id(node.outputs[0])] = made
        counted.append(_entry(node.operation, given[0], made))
    return counted


def _output_shape(layer: Any, given: list[tuple[int, ...]]) -> tuple[int, ...]:
    if len({shape[1:3] for shape in given}) > 1:  # Concatenate itself does not look
        sides = " and ".join(f"{shape[1]} x {shape[2]}" for shape in given)
        raise ValueError(
            f"the size must fit the model, found {sides} meeting in {layer.name}: give a height "
            "and a width that 2**depth divides"
        )
    return tuple(layer.compute_output_shape(given[0] if len(given) == 1 else given))


def _entry(layer: Any, given: tuple[int, ...], made: tuple[int, ...]) -> LayerWork:
    operations = 0
    if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D)):
        places = given if isinstance(layer, layers.Conv2DTranspose) else made
        operations = 2 * math.prod(layer.kernel.shape) * places[1] * places[2]
    elif any(len(weight.shape) > 1 for weight in layer.weights):
        raise ValueError(
            f"model must have Conv2D, DepthwiseConv2D and Conv2DTranspose as its only layers with "
            f"a kernel, found {layer.name} ({type(layer).__name__}): count it by hand"
        )
    return LayerWork(layer.name, made[1:], layer.count_params(), operations)
