"""Checks of the exercises in notebook 02; like all `checks`, each prints a verdict, none raises.

What the learner builds there of the U-Net itself is checked by `model_checks`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.classroom.checks import _is_close, _no_answer, _no_number, _plain, _verdict
from unet_helpers.classroom.model_checks import (
    FILTERS,
    SIDE,
    _in_float32,
    _no_tensor,
    _noise,
    _run,
    _shape_fault,
)
from unet_helpers.model.geometry import ReceptiveField, calls

layers = keras.layers


def conv_parameters(answer: Any, kernel: int, inputs: int, outputs: int) -> None:
    """Notebook 02: the number of parameters of a convolution with a bias."""
    right = kernel * kernel * inputs * outputs + outputs
    hints = (
        (right - outputs, "the bias is missing: one more number for each output channel."),
        (right + 1 - outputs, "one bias is not enough: each output channel has its own."),
        (kernel * inputs * outputs + outputs, "a window is kernel x kernel pixels, not kernel."),
        (right - outputs + inputs, "the bias belongs to the output channels, not to the input's."),
        (kernel**2 * inputs + outputs, "each output channel has a window of its own."),
        (kernel**2 * outputs + outputs, "each window looks at every input channel."),
        (9 * inputs * outputs + outputs, f"the window is {kernel} x {kernel} pixels, not 3 x 3."),
    )

    def attempt() -> str | None:
        if (gap := _no_number(answer)) is not None:
            return gap
        number = _plain(answer)
        if number == right:
            return None
        known = (hint for wrong, hint in hints if number == wrong)
        return next(known, "count the weights of one output channel, with its bias, then of all.")

    _verdict(attempt)


def padded_size(function: Callable[..., Any]) -> None:
    """Notebook 02: the next size that 2**depth divides."""

    def attempt() -> str | None:
        result = function(250, 4)
        if (gap := _no_answer(result)) is not None:
            return gap
        if result == 256 and function(250, 3) == 252:
            return "that divides by 2 * depth; it must be 2 to the power of depth, 2**depth."
        if result == 256 and function(256, 4) == 272:
            return "256 is already a multiple of 16 and needs no padding, yet you add 16."
        if result == 256 and function(241, 4) == 240:
            return "that rounds to the nearest multiple; 241 must grow to 256, not shrink to 240."
        hints = {
            240: "that rounds down, so part of the image would be cut off.",
            16: "that is how many times 2**depth fits in, rounded up; multiply it by 2**depth.",
            6: "that is how many pixels are missing; add them to the size.",
        }
        if result in hints:
            return hints[result]
        for size, depth, right in ((250, 4, 256), (256, 4, 256), (5, 1, 6), (250, 3, 256)):
            if (found := function(size, depth)) != right:
                return f"size {size} at depth {depth} must give {right}, not {found}."
        return None

    _verdict(attempt)


def twice_the_filters(answer: Any) -> None:
    """Notebook 02: how parameters, operations and activations grow with twice the filters."""

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if np.shape(answer) != (3,):
            return "three numbers are expected: for parameters, operations and activations."
        found = np.asarray(answer, float)
        if np.allclose(found, (4, 4, 2), rtol=0.1):
            return None
        if np.allclose(found, 2, rtol=0.1):
            return (
                "a convolution has weights for each pair of an input and an output channel, and "
                "both have doubled."
            )
        if np.allclose(found, 4, rtol=0.1):
            return "activations are outputs only, and of them there are twice as many channels."
        for name, value, right in zip(_PRICES, found, (4, 4, 2), strict=True):
            if not _is_close(float(value), right):
                return f"look at the {name} again, in two lines of the table."
        return None

    _verdict(attempt)


_PRICES = ("parameters", "operations", "activations")


_JOINED = {
    layers.Concatenate: "x and y lie side by side; a residual connection *adds* them.",
    layers.Average: "that is the mean of x and y; a residual connection *adds* them.",
    layers.Multiply: "that is the product of x and y; a residual connection *adds* them.",
}


def residual_block(part: Callable[..., Any]) -> None:
    """Notebook 02: convolution, normalisation, ReLU, and a way round them."""

    def attempt() -> str | None:
        x = keras.Input((None, None, 3))
        try:
            with _in_float32():
                made = part(x, FILTERS)
        except ValueError as error:
            if "shape" not in str(error):
                raise
            return "x and y have different numbers of channels: Conv2D(filters, 1)(x) fits x to y."
        if (gap := _no_tensor(made)) is not None:
            return gap
        model = keras.Model(x, made)
        for kind, hint in _JOINED.items():
            if any(isinstance(layer, kind) for layer in model.layers):
                return hint
        return _shape_fault(_run(model, _noise(SIDE, 3)), SIDE, "the block") or _way_fault(model)

    _verdict(
        attempt,
        "Correct: where the convolution gives nothing, x still arrives; its gradient takes the "
        "same way back.",
    )


def _way_fault(model: Any) -> str | None:
    """What is wrong with the way round, found by switching off one way at a time."""
    widths = [each.kernel_size[0] for each in model.layers if isinstance(each, layers.Conv2D)]
    if 1 not in widths and any(len(node.input_tensors) > 1 for node in calls(model)):
        return "for the way round a window of 1 x 1 is enough: it changes the channels only."
    image = _noise(SIDE, 3) - 0.5
    both = _run(model, image)
    through = _without(model, 1, image)
    around, mirrored = _without(model, 3, image), _without(model, 3, -image)
    if np.allclose(both, through):
        return "x does not arrive beside the convolution: add it, fitted by Conv2D(filters, 1)."
    if np.allclose(around, 0):
        return "with the 3 x 3 weights at zero nothing arrives: x itself must go round them."
    if np.allclose(both, around):
        return "only the way round is there; add y, what the convolution makes."
    linear = np.allclose(mirrored, -around, atol=1e-5)
    straight = (around - mirrored) / (2 if linear else 1)  # the way round, before any ReLU
    if np.allclose(both, through + straight, atol=1e-5):
        return None
    if np.allclose(both, np.maximum(through + straight, 0), atol=1e-5):
        return None  # with a ReLU after the sum, as some do it
    if np.allclose(both, through + around, atol=1e-5):
        return "the way round has a ReLU of its own; leave x as it is, only fit its channels."
    return "the result must be y plus the fitted x, and it is something else."


def _without(model: Any, kernel: int, image: NDArray[Any]) -> Any:
    """The result with the weights of all convolutions of this kernel at zero."""
    kept = model.get_weights()
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and layer.kernel_size[0] == kernel:
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    result = _run(model, image)
    model.set_weights(kept)
    return result


# Rules by which one may take a field to be large enough, and what to say to those that are wrong.
_Fits = Callable[[ReceptiveField, int, int], bool]
_RULES: tuple[tuple[_Fits, str], ...] = (
    (lambda field, size, _: field.narrowest >= size, "the margin does not count yet."),
    (
        lambda field, size, margin: field.narrowest >= size + margin,
        "the margin lies on both sides of the object, so it counts twice.",
    ),
    (
        lambda field, size, margin: field.narrowest > size + 2 * margin,
        "a field of exactly the needed size is enough: >=, not >.",
    ),
    (
        lambda field, size, margin: field.widest >= size + 2 * margin,
        "that is right for the luckiest pixel; every pixel must see enough: the narrowest.",
    ),
    (
        lambda field, size, margin: field.reach >= size + 2 * margin,
        "the reach is to one side of the pixel; the field is what it sees on both sides.",
    ),
    (
        lambda field, size, margin: 2 * field.reach >= size + 2 * margin,
        "no pixel reaches equally far to both sides: the narrowest field, not twice the reach.",
    ),
    (lambda *_: False, "the deepest net always fits; the smallest depth is asked for."),
)
_OBJECTS = ((20, 12), (60, 18), (18, 0), (90, 1), (150, 10), (44, 1), (47, 0), (70, 17))


def depth_for(function: Callable[..., Any], fields: Mapping[int, ReceptiveField]) -> None:
    """Notebook 02: the smallest depth whose field holds an object and a margin around it."""

    def depths(fits: _Fits) -> list[int]:
        deep_enough = ([d for d, field in fields.items() if fits(field, *o)] for o in _OBJECTS)
        return [min(found, default=max(fields)) for found in deep_enough]

    def attempt() -> str | None:
        found = [function(size, margin) for size, margin in _OBJECTS]
        if (gap := next(filter(None, map(_no_answer, found)), None)) is not None:
            return gap
        right = depths(lambda field, size, margin: field.narrowest >= size + 2 * margin)
        if found == right:
            return None
        if found == [fields[depth].narrowest for depth in right]:
            return "that is the field itself; return the depth that has it."
        if found == [depth - 1 for depth in right]:
            return "that is one level too few: depths count from 1, places in a list from 0."
        if (known := [hint for fits, hint in _RULES if found == depths(fits)]) != []:
            return known[0]
        at = next(i for i, pair in enumerate(zip(found, right, strict=True)) if len({*pair}) > 1)
        size, margin = _OBJECTS[at]
        return f"size {size} with margin {margin} needs depth {right[at]}, not {found[at]}."

    _verdict(attempt)
