"""Notebook 02's claim: the net built by hand in its cells is `unet()`."""

import nbformat
import numpy as np
import pytest

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers import keras, unet


@pytest.fixture(scope="module")
def my_unet():
    content = nbformat.read(NOTEBOOKS / "02_model_definition.ipynb", as_version=4)
    cells = [c.source for c in content.cells if "hand-built" in c.metadata.get("tags", [])]
    names = {"keras": keras, "layers": keras.layers}
    for cell in cells:
        exec(cell, names)  # the learner's cells, as they stand
    return names["my_unet"]


@pytest.mark.parametrize(("filters", "depth"), [(4, 1), (4, 3), (6, 2)])
def test_the_hand_built_net_is_unet(my_unet, filters, depth):
    mine = my_unet(3, filters=filters, depth=depth)
    ours = unet((None, None, 3), filters=filters, depth=depth, upsampling="transpose")
    kinds = [[type(layer).__name__ for layer in model.layers] for model in (mine, ours)]
    assert kinds[0] == kinds[1]
    shapes = [[weight.shape for weight in model.weights] for model in (mine, ours)]
    assert shapes[0] == shapes[1]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.1, 1, weight.shape) for weight in ours.weights]
    mine.set_weights(weights)
    ours.set_weights(weights)
    image = rng.random((2, 24, 16, 3), np.float32)
    assert np.array_equal(mine.predict_on_batch(image), ours.predict_on_batch(image))
