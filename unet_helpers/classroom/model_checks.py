"""Checks of the U-Net's parts as the learner builds them; each prints a verdict, none raises.

Every part is built on small inputs and judged by what it does: the shapes it gives, its parameters,
and a property that a wrong part does not have. Where that fails, the layers tell why.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.classroom.checks import _no_answer, _verdict
from unet_helpers.model.unet import unet

layers = keras.layers
Part = Callable[..., Any]
FILTERS, SIDE = 4, 24


@contextlib.contextmanager
def _in_float32() -> Iterator[None]:
    """With 16-bit numbers, equal results would not be equal to the last digit."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def block(part: Part) -> None:
    """Notebook 02: two convolutions, each with normalisation and ReLU."""

    def attempt() -> str | None:
        x = keras.Input((None, None, 3))
        with _in_float32():
            made = part(x, FILTERS)
        if (gap := _no_tensor(made)) is not None:
            return gap
        model, image = keras.Model(x, made), _noise(SIDE, 3)
        _disturb(model)
        return (
            _shape_fault(_run(model, image), SIDE, "the block")
            or _layers_fault(model)
            or _shift_fault(lambda given: _run(model, given), image, step=3)
        )

    _verdict(
        attempt,
        "Correct: height and width stay, the channels become as many as `filters`, and an image "
        "moved by three pixels gives the same result, moved by three pixels.",
    )


def down(part: Part) -> None:
    """Notebook 02: a block, then pooling; the block's result is kept for the bridge."""

    def attempt() -> str | None:
        x = keras.Input((None, None, 3))
        with _in_float32():
            made = part(x, FILTERS)
        if (gap := _no_answer(made)) is not None:
            return gap
        if not (isinstance(made, (tuple, list)) and len(made) == 2):
            return "return two things, the smaller image and what is kept for the bridge."
        model, image = keras.Model(x, list(made)), _noise(SIDE, 3)
        _disturb(model)
        small, skip = _run(model, image)
        return (
            _down_fault(small, skip)
            or _layers_fault(model)
            or _shift_fault(lambda given: _run(model, given)[0], image, step=2, shrinks=2)
        )

    _verdict(
        attempt,
        "Correct: half the size goes down, the full size goes to the bridge, and an image moved by "
        "two pixels moves what goes down by one.",
    )


def up(part: Part) -> None:
    """Notebook 02: enlarge, put the bridge's channels beside it, then a block."""

    def attempt() -> str | None:
        below, bridge = keras.Input((None, None, 2 * FILTERS)), keras.Input((None, None, FILTERS))
        with _in_float32():
            made = part(below, bridge, FILTERS)
        if (gap := _no_tensor(made)) is not None:
            return gap
        model = keras.Model([below, bridge], made)
        _disturb(model)
        return _up_fault(model, _noise(SIDE // 2, 2 * FILTERS), _noise(SIDE, FILTERS))

    _verdict(
        attempt,
        "Correct: twice the size, `filters` channels, and the result changes both with what comes "
        "from below and with what comes over the bridge.",
    )


def whole(part: Part) -> None:
    """Notebook 02: the U-Net put together."""

    def attempt() -> str | None:
        with _in_float32():
            ours = unet((None, None, 3), filters=FILTERS, depth=2, upsampling="transpose")
            mine = part(3, filters=FILTERS, depth=2)
        if (gap := _no_answer(mine)) is not None:
            return gap
        if not isinstance(mine, keras.Model):
            return f"return a keras.Model(inputs, probability), not a {type(mine).__name__}."
        image = _noise(SIDE, 3)
        _disturb(mine)
        try:
            made = _run(mine, image)
        except Exception:  # where two sizes meet, the backend's own message helps no beginner
            return "the sizes do not fit together: each step up gets the bridge of its own level."
        return (
            _output_fault(made)
            or _size_fault(mine, ours)
            or _shift_fault(lambda given: _run(mine, given), image, step=4)
            or _twin_fault(mine, ours, image, made)
        )

    _verdict(
        attempt,
        "Correct: one probability for each pixel, and with the same weights the same output as "
        "the helper's unet().",
    )


# --- what may be wrong --------------------------------------------------------------------------


def _no_tensor(made: Any) -> str | None:
    if (gap := _no_answer(made)) is not None:
        return gap
    if isinstance(made, (tuple, list)):
        return "return one thing, the result of the last layer."
    if not isinstance(made, keras.KerasTensor):
        return f"return the result of a layer, not a {type(made).__name__}: call it, layer(x)."
    return None


def _shape_fault(made: NDArray[Any], side: int, name: str) -> str | None:
    height, width, channels = made.shape
    if (height, width) in ((side - 2, side - 2), (side - 4, side - 4)):
        return f'{name} loses {side - height} rows and columns: padding="same" is missing.'
    if (height, width) != (side, side):
        return f"{name} makes {height} x {width} pixels of {side} x {side}; they must stay."
    if channels != FILTERS:
        return f"{name} gives {channels} channels; `filters` was {FILTERS}."
    return None


def _layers_fault(model: Any) -> str | None:
    """What is wrong with a block's layers."""
    convs = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    relus = [layer for layer in model.layers if _is_relu(layer)]
    found = [len(convs), len(norms), len(relus)]
    hints = (
        (len(convs) != 2, f"a block has two convolutions, found {len(convs)}."),
        (any(conv.kernel_size != (3, 3) for conv in convs), "the windows are 3 x 3 pixels."),
        (any(_is_relu(conv) for conv in convs), "normalise first, then ReLU: not in the Conv2D."),
        (len(norms) < 2, f"each convolution has a normalisation of its own, found {found[1]}."),
        (len(relus) < 2, f"a ReLU follows each normalisation, found {found[2]}."),
        (
            any(conv.use_bias for conv in convs),
            "the normalisation undoes the bias: use_bias=False.",
        ),
        (
            any(norm.momentum > 0.95 for norm in norms),
            "momentum=0.9 is missing, or it is too slow.",
        ),
    )
    if (hint := next((text for wrong, text in hints if wrong), None)) is not None:
        return hint
    kinds = (layers.Conv2D, layers.BatchNormalization)
    order = ["CN"[kinds.index(type(layer))] if type(layer) in kinds else "R"
             for layer in model.layers if type(layer) in kinds or _is_relu(layer)]  # fmt: skip
    return None if order == list("CNRCNR") else "the order is convolution, normalisation, ReLU."


def _is_relu(layer: Any) -> bool:
    named = getattr(layer, "activation", None) is keras.activations.relu
    return named or isinstance(layer, layers.ReLU)


def _down_fault(small: NDArray[Any], skip: NDArray[Any]) -> str | None:
    if skip.shape[0] < small.shape[0]:
        return "the order: first the smaller image, then what is kept."
    if skip.shape[:2] == small.shape[:2]:
        return "both have the same size: keep the result *before* pooling, and return the pooled."
    if skip.shape[-1] != FILTERS:
        return "the bridge gets the block's result, not what went into the block."
    if (fault := _shape_fault(skip, SIDE, "the block")) is not None:
        return fault
    if small.shape != (SIDE // 2, SIDE // 2, FILTERS):
        return f"pooling must halve the size, found {small.shape[0]} x {small.shape[1]} pixels."
    tiles = skip.reshape(SIDE // 2, 2, SIDE // 2, 2, FILTERS)
    if np.allclose(small, tiles.mean(axis=(1, 3)), atol=1e-5):
        return "that is the mean of 2 x 2 pixels; max pooling keeps the largest."
    right = np.allclose(small, tiles.max(axis=(1, 3)), atol=1e-5)
    return (
        None if right else "what goes down must be the largest of each 2 x 2 pixels of the block."
    )


def _up_fault(model: Any, x: NDArray[Any], skip: NDArray[Any]) -> str | None:
    made = _run(model, x, skip)
    if made.shape[0] == x.shape[0]:
        return "the size did not double: strides=2 is missing."
    if made.shape == (SIDE, SIDE, 2 * FILTERS):
        return "bridge and image lie side by side, and the block that mixes them is missing."
    if (fault := _shape_fault(made, SIDE, "the step up")) is not None:
        return fault
    if np.allclose(made, _run(model, x, 1 - skip)):
        return "the bridge has no effect: put `skip` beside `x` with Concatenate."
    if np.allclose(made, _run(model, 1 - x, skip)):
        return "what comes from below has no effect: put `x` beside `skip`."
    if any(isinstance(layer, layers.Add) for layer in model.layers):
        return "bridge and image are added; here they go side by side: Concatenate."
    if not any(isinstance(layer, layers.Conv2DTranspose) for layer in model.layers):
        return "enlarge with learned weights: Conv2DTranspose."
    enlarged = next(layer for layer in model.layers if isinstance(layer, layers.Conv2DTranspose))
    if enlarged.kernel_size != (2, 2):
        return "each pixel becomes 2 x 2: the Conv2DTranspose's window is 2."
    return None


def _output_fault(made: NDArray[Any]) -> str | None:
    if made.shape != (SIDE, SIDE, 1):
        shape = " x ".join(map(str, made.shape))
        return f"one number for each of {SIDE} x {SIDE} pixels is expected, found {shape}."
    if made.min() < 0 or made.max() > 1:
        return 'a probability lies between 0 and 1: activation="sigmoid" is missing.'
    return None


def _size_fault(mine: Any, ours: Any) -> str | None:
    found, expected = mine.count_params(), ours.count_params()
    if found == expected:
        return None
    bridges = sum(isinstance(layer, layers.Concatenate) for layer in mine.layers)
    if bridges != 2:
        return f"at depth 2 there are two bridges, found {bridges}."
    reason = "each level down doubles the filters, each level up halves them"
    return f"it has {found:,} parameters instead of {expected:,}: {reason}."


def _twin_fault(mine: Any, ours: Any, image: NDArray[Any], made: NDArray[Any]) -> str | None:
    shapes = [[weight.shape for weight in model.weights] for model in (mine, ours)]
    if shapes[0] != shapes[1]:
        return "it has the helper's size, but its layers come in another order."
    ours.set_weights(mine.get_weights())
    same = np.allclose(made, _run(ours, image), atol=1e-5)
    if same:
        return None
    return (
        "with the same weights the helper's unet() gives something else. Is it [skip, x] in the "
        "Concatenate? [x, skip] makes a U-Net, too, only not the same one."
    )


def _shift_fault(
    run: Callable[[NDArray[Any]], NDArray[Any]], image: NDArray[Any], step: int, shrinks: int = 1
) -> str | None:
    """Whether an image moved to the right moves the result along, away from the border."""
    wide = np.tile(image, (1, 5, 1))
    before, after = run(wide), run(np.roll(wide, step, axis=1))
    fifth = before.shape[1] // 5
    middle = slice(2 * fifth, 3 * fifth)  # the zeros beyond the border do not reach so far
    expected = np.roll(before, step // shrinks, axis=1)
    if np.allclose(after[:, middle], expected[:, middle], atol=1e-5):
        return None
    return f"an image moved by {step} pixels must move the result along, and does not."


# --- on what they are tried ---------------------------------------------------------------------


def _noise(side: int, channels: int) -> NDArray[np.float32]:
    return np.random.default_rng(side + channels).random((side, side, channels), np.float32)


def _disturb(model: Any) -> None:
    """Give every weight another value, so that no two channels and no two norms are alike."""
    rng = np.random.default_rng(0)
    values = [
        rng.uniform(0.5, 1.5, w.shape) if len(w.shape) < 2 else rng.normal(0, 0.3, w.shape)
        for w in model.weights
    ]
    model.set_weights(values)


def _run(model: Any, *images: NDArray[Any]) -> Any:
    """The result for one image, or the results if the model has several."""
    batch: Any = [image[None] for image in images]
    made = model(batch if len(batch) > 1 else batch[0], training=False)
    if isinstance(made, (list, tuple)):
        return [keras.ops.convert_to_numpy(one)[0] for one in made]
    return keras.ops.convert_to_numpy(made)[0]
