"""The seed tutorial's own words run exactly as they were written."""

import math
from collections import Counter

import numpy as np
import pytest

from unet_helpers import Dice, IoU, keras, load, unet

SEED = """
model = unet(input_size=(256, 256, 3))
model.compile(optimizer='adam', loss='binary_crossentropy', metrics=[IoU(), Dice()])
model.fit(train_images, train_masks, validation_data=(val_images, val_masks), epochs=1)
test_loss, test_iou, test_dice = model.evaluate(test_images, test_masks)
"""


def handful() -> dict[str, np.ndarray]:
    cells = load("cells").binary()
    parts = {"train": cells[[0, 3]], "val": cells[[6]], "test": cells[[9]]}
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        arrays[f"{name}_images"], arrays[f"{name}_masks"] = part.stack()
    return arrays


@pytest.mark.slow
def test_the_seeds_words_run_as_written() -> None:
    keras.utils.set_random_seed(0)
    names: dict[str, object] = {"unet": unet, "IoU": IoU, "Dice": Dice, **handful()}
    assert names["train_images"].shape == (2, 256, 256, 3)
    exec(SEED, names)
    assert names["model"].output_shape == (None, 256, 256, 1)
    assert math.isfinite(names["test_loss"])
    overlap = names["test_iou"]
    assert 0 <= overlap <= 1
    assert math.isclose(names["test_dice"], 2 * overlap / (1 + overlap), abs_tol=1e-6)


def test_without_normalisation_it_is_the_seeds_own_net() -> None:
    model = unet(norm=None)
    kinds = Counter(type(layer).__name__ for layer in model.layers)
    assert kinds == {
        "InputLayer": 1,
        "Conv2D": 2 * 9 + 1,
        "Activation": 2 * 9,
        "MaxPooling2D": 4,
        "UpSampling2D": 4,
        "Concatenate": 4,
    }
    widths = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    way = [64, 128, 256, 512, 1024, 512, 256, 128, 64]
    assert widths == [width for width in way for _ in range(2)] + [1]
    assert model.input_shape == (None, 256, 256, 3)
