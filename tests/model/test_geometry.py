"""Any size through the model: mirrored, run, cropped."""

import numpy as np
import pytest

from unet_helpers import unet
from unet_helpers.model.geometry import run_padded


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (13, 6)])
def test_the_output_is_that_of_the_image_mirrored_by_hand(size: tuple[int, int]) -> None:
    model = unet((None, None, 2), 3, filters=2, depth=2, upsampling="transpose")
    image = noise(*size, 2)
    high, wide = (-(-n // 4) * 4 for n in size)
    # 0 1 2 2 1 0 0 1 ...: index by index, for np.pad is what the code uses.
    rows, columns = (
        [i % (2 * n) if i % (2 * n) < n else 2 * n - 1 - i % (2 * n) for i in range(length)]
        for n, length in zip(size, (high, wide), strict=True)
    )
    expected = np.asarray(model(image[rows][:, columns][None]))[0, : size[0], : size[1]]
    found = run_padded(model, image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_of_fixed_size_gets_its_size_and_the_call_is_the_one_given() -> None:
    model = unet((16, 24, 1), filters=2, depth=1)
    given = []

    def call(batch: np.ndarray) -> object:
        given.append((batch.shape, batch.dtype))
        return model(batch)

    assert run_padded(model, noise(5, 7, 1).astype(np.float64), call).shape == (5, 7, 1)
    assert given == [((1, 16, 24, 1), np.float32)]
