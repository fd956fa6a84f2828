"""One field moves image and mask: checked against SciPy and scikit-image, pixel by pixel."""

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples, make_samples
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import affine_transform, map_coordinates, rotate
from skimage.transform import AffineTransform, warp

from unet_helpers import keras
from unet_helpers.data.augment import Augmentation, Geometry, elastic_field
from unet_helpers.data.pipeline import batches, crop_batch, orient
from unet_helpers.data.warp import interpolate

RNG = np.random.default_rng(0)
# Blobs of five classes: what a mask looks like.
MASK = RNG.integers(0, 5, (9, 12)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
OFF: dict[str, Any] = {
    "turn": False, "angle": 0, "scale": 1, "shear": 0, "elastic": 0, "brightness": 0,
    "contrast": 0, "gamma": 0, "colour": 0, "hue": 0, "noise": 0, "blur": 0,
}  # fmt: skip
GEOMETRIES = st.builds(
    Geometry,
    orientation=st.integers(0, 7),
    angle=st.floats(-180, 180),
    scale=st.floats(0.5, 2),
    shear=st.floats(-30, 30),
    elastic=st.floats(0, 4),
    seed=st.integers(0, 1000),
)


def as_image(mask: np.ndarray) -> np.ndarray:
    return mask[..., None].repeat(3, axis=2)


# --- image and mask together ------------------------------------------------------------------


@given(GEOMETRIES, st.sampled_from([None, 255]))
def test_a_mask_given_as_image_moves_like_the_mask_in_every_pixel(
    geometry: Geometry, outside: int | None
) -> None:
    moved = geometry.move(MASK, outside)
    np.testing.assert_array_equal(geometry.move(as_image(MASK), outside), as_image(moved))
    instances = MASK.astype(np.uint16) * 300
    expected = np.where(moved == 255, 255, moved.astype(np.uint16) * 300)
    np.testing.assert_array_equal(geometry.move(instances, outside), expected)
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4, outside}


@given(st.integers(0, 10**6), st.sampled_from([None, 16, 40, 90]), st.sampled_from([None, 255]))
def test_the_image_that_is_interpolated_agrees_with_the_mask_that_is_picked(
    seed: int, size: int | None, ignore: int | None
) -> None:
    """The one-hot image of a class, read bilinearly, is above a half only where a pixel near is."""
    plain = {name: value for name, value in OFF.items() if value == 0 and name[0] in "bcghn"}
    augmentation = Augmentation(angle=180, scale=1.5, shear=20, elastic=4, **plain)
    hot = (MASK[..., None] == np.arange(5)).astype(np.float32)
    image, mask = augmentation(hot, MASK, seed=seed, size=size, ignore_value=ignore)
    assert image.shape[:2] == mask.shape
    share = np.take_along_axis(image, np.minimum(mask, 4)[..., None].astype(int), axis=2)[..., 0]
    known = mask != 255
    # The nearest of four corners has at least a quarter of the weight: exact for any field.
    assert share[known].min() > 0.249
    np.testing.assert_allclose(image.sum(-1), 1, atol=1e-5)
    assert (mask[image.max(-1) > 0.7501] == image.argmax(-1)[image.max(-1) > 0.7501])[
        known[image.max(-1) > 0.7501]
    ].all()


def test_keras_elastic_layer_moves_them_apart_and_ours_does_not() -> None:
    """The defect that this file is there to avoid."""
    keras.utils.set_random_seed(0)
    layer = keras.layers.RandomElasticTransform(factor=(1, 1), scale=1.0, interpolation="nearest")
    both = MASK[None, :, :, None].astype("float32")
    moved = layer({"images": both, "segmentation_masks": both}, training=True)
    apart = np.not_equal(*(np.asarray(moved[k]) for k in ("images", "segmentation_masks")))
    assert apart.mean() > 0.05
    geometry = Geometry(elastic=4, seed=1)
    assert not np.array_equal(geometry.move(MASK), MASK)
    np.testing.assert_array_equal(geometry.move(as_image(MASK))[..., 0], geometry.move(MASK))


# --- each transform against another library ---------------------------------------------------


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("shape", [(6, 6), (5, 8), (7, 4)])
def test_flips_and_quarter_turns_are_exact(which: int, shape: tuple[int, int]) -> None:
    image = RNG.integers(0, 256, (*shape, 3), np.uint8)
    geometry = Geometry(orientation=which)
    np.testing.assert_array_equal(geometry.move(image), orient(image, which))
    np.testing.assert_array_equal(interpolate(image, geometry.field(shape)), orient(image, which))


@pytest.mark.parametrize("angle", [-130, -17, 30, 45.5, 90])
def test_rotation_agrees_with_scipy(angle: float) -> None:
    image = RNG.uniform(0, 1, (40, 31))
    expected = rotate(image, angle, reshape=False, order=1, mode="reflect")
    got = interpolate(image[..., None], Geometry(angle=angle).field(image.shape))[..., 0]
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_scale_agrees_with_scipy(scale: float) -> None:
    image = RNG.uniform(0, 1, (40, 31))
    middle = (np.array(image.shape) - 1) / 2
    expected = affine_transform(
        image, [1 / scale] * 2, middle - middle / scale, order=1, mode="reflect"
    )
    got = interpolate(image[..., None], Geometry(scale=scale).field(image.shape))[..., 0]
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("shear", [-25, 12])
def test_shear_agrees_with_scikit_image(shear: float) -> None:
    image = RNG.uniform(0, 1, (40, 31))
    # x right, y down: upright lines lean to the right, about the middle.
    lean = math.tan(math.radians(shear))
    forward = AffineTransform(matrix=np.array([[1, -lean, lean * 19.5], [0, 1, 0], [0, 0, 1.0]]))
    expected = warp(image, forward.inverse, order=1, mode="symmetric")
    got = interpolate(image[..., None], Geometry(shear=shear).field(image.shape))[..., 0]
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_all_together_are_the_product_of_the_single_matrices() -> None:
    single = [{"orientation": 5}, {"angle": 33}, {"shear": 11}, {"scale": 1.3}]
    product = np.linalg.multi_dot([Geometry(**one).matrix for one in single])
    everything = Geometry(orientation=5, angle=33, shear=11, scale=1.3)
    np.testing.assert_allclose(everything.matrix, product, atol=1e-12)


# --- the elastic field ------------------------------------------------------------------------


def test_the_elastic_field_is_the_cubic_spline_of_its_controls() -> None:
    """A single control point of 1 gives the cubic B-spline; SciPy evaluates it, too."""
    shape, spacing = (33, 49), 8
    rng = np.random.default_rng(5)
    down, across = 4 + (shape[0] - 1) // spacing, 4 + (shape[1] - 1) // spacing
    controls = rng.standard_normal((2, down, across), np.float32) * (0.5 * 315 / 151)
    controls = controls.clip(-0.48 * spacing, 0.48 * spacing)
    places = [np.arange(n) / spacing + 1 for n in shape]
    expected = [
        map_coordinates(c, np.meshgrid(*places, indexing="ij"), order=3, prefilter=False)
        for c in controls
    ]
    np.testing.assert_allclose(elastic_field(shape, 0.5, spacing, 5), expected, atol=1e-5)


def test_the_elastic_field_has_the_deviation_that_was_asked_for() -> None:
    fields = [elastic_field((96, 96), 2.0, 32, seed) for seed in range(150)]
    assert np.std(fields) == pytest.approx(2.0, rel=0.05)
    assert abs(np.mean(fields)) < 0.1


@given(st.integers(0, 10**6), st.sampled_from([8, 20, 32]))
def test_the_strongest_elastic_field_does_not_fold(seed: int, spacing: int) -> None:
    # Far stronger than a Geometry allows, so that nearly every control is held at its limit.
    rows, columns = elastic_field((64, 64), 5 * spacing, spacing, seed).astype(float)
    (rr, rc), (cr, cc) = np.gradient(rows), np.gradient(columns)
    assert ((1 + rr) * (1 + cc) - rc * cr).min() > 0


def test_elastic_moves_pixels_by_the_field() -> None:
    geometry = Geometry(elastic=3, seed=8)
    plain = np.indices(MASK.shape)
    expected = plain + elastic_field(MASK.shape, 3, 32, 8)
    np.testing.assert_allclose(geometry.field(MASK.shape), expected, atol=1e-4)


# --- Augmentation -----------------------------------------------------------------------------

USUAL = Augmentation()
IMAGE = RNG.integers(0, 256, (72, 96, 3), np.uint8)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_an_augmentation_is_a_function_of_seed_epoch_and_index(
    seed: int, epoch: int, index: int
) -> None:
    first = USUAL(IMAGE, MASK, seed=(seed, epoch, index), size=32)
    USUAL(IMAGE, MASK, seed=(seed, epoch + 1, index), size=32)
    np.random.random()  # noqa: NPY002  # the global generator plays no part
    second = USUAL(IMAGE, MASK, seed=(seed, epoch, index), size=32)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_process_draws_the_same() -> None:
    code = (
        "from unet_helpers.data.augment import Augmentation\n"
        "print(repr(Augmentation().draw((1, 2, 3))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(USUAL.draw((1, 2, 3)))


def test_every_epoch_and_every_index_has_its_own() -> None:
    draws = {repr(USUAL.draw((0, epoch, index))) for epoch in range(20) for index in range(20)}
    assert len(draws) == 400


def test_what_is_off_leaves_image_and_mask_as_they_are() -> None:
    image, mask = Augmentation(**OFF)(IMAGE, MASK, seed=1)
    np.testing.assert_array_equal(image, IMAGE.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(mask, MASK)


def test_turns_alone_move_pixels_and_never_mix_them() -> None:
    augmentation = Augmentation(**{**OFF, "turn": True})
    seen = set()
    for seed in range(60):
        image, mask = augmentation(as_image(MASK), MASK, seed=seed, size=32)
        np.testing.assert_array_equal(np.rint(image[..., 0] * 255), mask)
        seen.add(mask.tobytes())
    assert len(seen) > 50


@pytest.mark.parametrize("name", ["angle", "scale", "shear", "elastic"])
def test_each_geometric_change_keeps_within_its_strength(name: str) -> None:
    strength = {"angle": 30.0, "scale": 1.5, "shear": 10.0, "elastic": 3.0}[name]
    augmentation = Augmentation(**{**OFF, name: strength})
    drawn = [getattr(augmentation.draw(seed)[0], name) for seed in range(300)]
    low = {"scale": 1 / strength, "elastic": 0}.get(name, -strength)
    assert low <= min(drawn) < low + 0.1 * strength
    assert 0.9 * strength < max(drawn) <= strength


def test_photometric_changes_leave_the_mask_alone() -> None:
    names = ("brightness", "contrast", "gamma", "colour", "hue", "noise", "blur")
    strong = Augmentation(**{**OFF, **dict.fromkeys(names, 0.5)})
    image, mask = strong(IMAGE, MASK, seed=3)
    np.testing.assert_array_equal(mask, MASK)
    assert image.dtype == np.float32
    assert image.min() >= 0 and image.max() <= 1
    assert np.abs(image - IMAGE / 255).mean() > 0.02


@given(st.integers(0, 10**6))
def test_a_crop_of_a_turned_image_has_no_dead_corners(seed: int) -> None:
    augmentation = Augmentation(angle=180, scale=1.25, shear=5, elastic=2, outside="ignore")
    ones = np.ones((160, 170), np.uint8)
    _, mask = augmentation(ones[..., None], ones, seed=seed, size=64, ignore_value=255)
    assert (mask == 1).all()


def test_outside_is_ignored_where_the_set_has_an_ignore_value_and_mirrored_elsewhere() -> None:
    ones = np.ones((20, 20), np.uint8)
    found = {}
    for outside in ("auto", "ignore", "mirror"):
        for ignore in (None, 255):
            augmentation = Augmentation(angle=45, outside=outside)
            if (outside, ignore) == ("ignore", None):
                with pytest.raises(ValueError) as error:
                    augmentation(ones[..., None], ones, seed=0, size=40)
                assert_says(error, "outside='ignore'", "ignore value", "outside='mirror'")
                continue
            image, mask = augmentation(
                ones[..., None] * 200, ones, seed=0, size=40, ignore_value=ignore
            )
            assert image.min() > 0.3  # never black
            found[outside, ignore] = set(np.unique(mask).tolist())
    assert found == {
        ("auto", None): {1}, ("auto", 255): {1, 255}, ("ignore", 255): {1, 255},
        ("mirror", None): {1}, ("mirror", 255): {1},
    }  # fmt: skip


@given(st.integers(0, 10**6), st.integers(0, 71), st.integers(0, 95))
def test_the_pixel_asked_for_is_in_the_crop(seed: int, row: int, column: int) -> None:
    mask = np.zeros((72, 96), np.uint8)
    mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 7  # survives shrinking
    augmentation = Augmentation(**{**OFF, "angle": 180, "turn": True, "elastic": 2, "scale": 1.3})
    _, crop = augmentation(IMAGE, mask, seed=seed, size=32, near=(row, column))
    assert (crop == 7).any()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"angle": -1}, "0 or more"),
        ({"scale": 0.5}, "from 1 to 10"),
        ({"elastic": 5}, "spacing / 8"),
        ({"shear": 85}, "between -80 and 80"),
        ({"spacing": 0}, "at least 2"),
        ({"outside": "black"}, "auto, ignore, mirror"),
    ],
)
def test_strengths_outside_their_range_are_refused(wrong: dict, expected: str) -> None:
    with pytest.raises(ValueError) as error:
        Augmentation(**wrong)
    assert_says(error, *wrong, expected, f"found {next(iter(wrong.values()))}")
    assert "Geometry" not in str(error.value)


def test_a_geometry_refuses_what_is_no_orientation() -> None:
    with pytest.raises(ValueError) as error:
        Geometry(orientation=8)
    assert_says(error, "orientation", "0 to 7", "found 8")


# --- in the pipeline --------------------------------------------------------------------------


def test_batches_take_an_augmentation_in_any_order_and_after_a_restart() -> None:
    samples = dataclasses.replace(blob_samples(5, side=48), ignore_value=255)
    settings: dict[str, Any] = {"size": 16, "batch_size": 3, "seed": 2, "augment": USUAL}
    streamed = list(batches(samples, start=2, workers=2, **settings).take(3).as_numpy_iterator())
    for number in (4, 2, 3):
        images, masks = crop_batch(samples, number, **settings)
        assert (images.dtype, masks.dtype) == (np.float32, np.uint8)
        np.testing.assert_array_equal(streamed[number - 2][0], images)
        np.testing.assert_array_equal(streamed[number - 2][1], masks)


def test_relabelled_masks_keep_their_ignored_pixels() -> None:
    mask = np.where(MASK == 4, 255, MASK).astype(np.uint8)
    samples = make_samples(
        [(as_image(mask), mask)], class_names=("a", "b", "c", "d"), ignore_value=255
    )
    _, masks = crop_batch(samples.binary("c"), 0, size=120, batch_size=4, augment=USUAL)
    assert set(np.unique(masks)) == {0, 1, 255}
    outside = crop_batch(samples.binary("c"), 0, size=120, batch_size=4, augment=True)[1]
    assert (masks == 255).mean() > (outside == 255).mean()
