"""Faults of a training, planted one at a time into a sound one, and sound trainings beside them."""

import dataclasses
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unet_helpers import BceDice, Samples, adamw, batches, keras, unet

SIZE = 80  # the smallest images of the sets have 88


@dataclasses.dataclass
class Training:
    """What is given to `fit`, and to `diagnose`."""

    model: Any
    data: Any
    validation: Any = None
    threshold: float | None = None


class Fault(NamedTuple):
    """A fault, the finding that must come first, and what plants it into parts of a set."""

    name: str
    finding: str
    make: Callable[[Samples, Samples], Training]


def net(part: Samples, **settings: Any) -> Any:
    """A small U-Net for a set's images, always with the same weights."""
    keras.utils.set_random_seed(0)
    return unet((None, None, part[0].image.shape[-1]), filters=8, depth=3, **settings)


def compiled(model: Any, optimizer: Any = "adam", loss: Any = None, **more: Any) -> Any:
    """The model, compiled as most people do it."""
    model.compile(optimizer=optimizer, loss=loss or "binary_crossentropy", **more)
    return model


def arrays(part: Samples, most: int = 48) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and masks of equal size from the middle of the images."""
    return part[:most].stack(SIZE)


def trained(model: Any, data: Any, steps: int) -> Any:
    """The model after some steps."""
    if isinstance(data, tuple):
        model.fit(*data, batch_size=8, epochs=max(1, steps * 8 // len(data[0])), verbose=0)
    else:
        model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model


# --- the twelve ---------------------------------------------------------------------------------


def collapsed(train: Samples, val: Samples) -> Training:
    """Sixty steps on crops without foreground: a model of nothing but background."""
    images, masks = arrays(train)
    model = compiled(net(train), keras.optimizers.Adam(1e-2))
    trained(model, (images, np.zeros_like(masks)), 60)
    return Training(model, (images, masks), arrays(val))


def dead_head(train: Samples, val: Samples) -> Training:
    """A ReLU between the last convolution and the sigmoid."""
    body = net(train)
    keras_layers = keras.layers
    x = keras_layers.Conv2D(1, 1, activation="relu")(body.layers[-2].output)
    model = keras.Model(body.inputs, keras_layers.Activation("sigmoid")(x))
    return Training(compiled(model), arrays(train), arrays(val))


def logits_cut(train: Samples, val: Samples) -> Training:
    """Logits, a loss that knows it, and a metric that does not."""
    body = net(train)
    model = keras.Model(body.inputs, keras.layers.Conv2D(1, 1)(body.layers[-2].output))
    metric = keras.metrics.BinaryIoU(target_class_ids=[1], threshold=0.5)
    compiled(model, loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=[metric])
    return Training(model, arrays(train), arrays(val))


def levels(train: Samples, val: Samples) -> Training:
    """Masks of 0 and 255."""
    images, masks = arrays(train)
    return Training(compiled(net(train)), (images, masks * 255), arrays(val))


def jpeg(train: Samples, val: Samples) -> Training:
    """Masks that were saved as JPEG and divided by 255."""

    def through(mask: NDArray[Any]) -> NDArray[Any]:
        file = io.BytesIO()
        Image.fromarray((mask[..., 0] * 255).astype(np.uint8)).save(file, "JPEG", quality=80)
        return np.asarray(Image.open(file), np.float32)[..., None] / 255

    images, masks = arrays(train)
    spoilt = np.stack([through(mask) for mask in masks])
    return Training(compiled(net(train)), (images, spoilt), arrays(val))


def shifted(train: Samples, val: Samples) -> Training:
    """Masks that lie 8 pixels away from their images."""
    images, masks = arrays(train)
    moved = np.stack([ndimage.shift(mask, (8, 8, 0), order=0, mode="reflect") for mask in masks])
    return Training(compiled(net(train)), (images, moved), arrays(val))


def rare(train: Samples, val: Samples) -> Training:
    """One small object in each image is all that is labelled."""
    images, masks = arrays(train)
    few = np.zeros_like(masks)
    for mask, kept in zip(masks, few, strict=True):
        places = np.argwhere(mask[..., 0])
        if len(places):
            y, x = places[len(places) // 2]
            window = np.s_[max(y - 5, 0) : y + 5, max(x - 5, 0) : x + 5]
            kept[window] = mask[window]
    return Training(compiled(net(train)), (images, few), arrays(val))


def rate(value: float) -> Callable[[Samples, Samples], Training]:
    """Adam with this learning rate."""

    def make(train: Samples, val: Samples) -> Training:
        model = compiled(net(train), keras.optimizers.Adam(value))
        return Training(model, batches(train, size=SIZE), arrays(val))

    return make


def augmented(train: Samples, val: Samples) -> Training:
    """Validation by the same random crops and turns as training."""
    stream = batches(val, size=SIZE, augment=True, seed=1)
    return Training(compiled(net(train)), batches(train, size=SIZE), stream)


def leaked(train: Samples, val: Samples) -> Training:
    """A third of the validation images stand in the training part too."""
    images, masks = arrays(train)
    seen = arrays(val)
    count = max(1, len(seen[0]) // 3)
    both = tuple(np.concatenate([a, b[:count]]) for a, b in zip((images, masks), seen, strict=True))
    return Training(compiled(net(train)), both, seen)


def looks_black(train: Samples, val: Samples) -> Training:
    """Masks of 0 and 1: right, and black in a picture viewer."""
    return Training(compiled(net(train)), arrays(train), arrays(val))


FAULTS = (
    Fault("all-background collapse", "all-background-predicted", collapsed),
    Fault("ReLU before the sigmoid", "relu-before-output", dead_head),
    Fault("logits cut at 0.5", "logits-thresholded", logits_cut),
    Fault("masks of 0 and 255", "mask-0-255", levels),
    Fault("masks stored as JPEG", "mask-in-between-values", jpeg),
    Fault("masks shifted by 8 pixels", "mask-shifted", shifted),
    Fault("imbalance beyond the loss", "imbalance", rare),
    Fault("learning rate too high", "learning-rate-too-high", rate(1.0)),
    Fault("learning rate too low", "learning-rate-too-low", rate(1e-6)),
    Fault("augmentation on validation", "augmented-validation", augmented),
    Fault("leak between splits", "image-in-two-splits", leaked),
    Fault("masks of 0 and 1 look black", "mask-looks-black", looks_black),
)


# --- sound --------------------------------------------------------------------------------------


def recipe(train: Samples, val: Samples) -> Training:
    """The course's recipe, before its first step."""
    model = compiled(net(train, upsampling="transpose"), adamw(300), BceDice())
    return Training(model, batches(train, size=SIZE), arrays(val))


def recipe_midway(train: Samples, val: Samples) -> Training:
    """The course's recipe after a fifth of its steps."""
    training = recipe(train, val)
    trained(training.model, training.data, 60)
    return training


def plain(train: Samples, val: Samples) -> Training:
    """Adam and cross-entropy on arrays."""
    return Training(compiled(net(train)), arrays(train), arrays(val))


def plain_midway(train: Samples, val: Samples) -> Training:
    """Adam and cross-entropy after 60 steps."""
    training = plain(train, val)
    trained(training.model, training.data, 60)
    return training


def plain_sgd(train: Samples, val: Samples) -> Training:
    """Keras' SGD as it comes, on samples, with group normalisation."""
    return Training(compiled(net(train, norm="group"), "sgd"), train, val)


SOUND = (recipe, recipe_midway, plain, plain_midway, plain_sgd)
