"""Fingerprints: the same for the same, another for whatever could change the outcome."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, make_samples
from PIL import Image

from unet_helpers import keras
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.samples import Samples
from unet_helpers.model.unet import unet
from unet_helpers.training import fingerprints
from unet_helpers.training.fingerprints import fingerprint, model_facts, plain, refuse_others
from unet_helpers.training.losses import Tversky
from unet_helpers.training.recipe import BceDice, adamw


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 255, (8, 9, 3)).astype(np.uint8), rng.integers(0, 2, (8, 9)).astype("u1"))
        for _ in range(3)
    ]


def changed(place: int, part: int, to: Callable[[np.ndarray], np.ndarray]) -> Samples:
    made: list[Any] = [list(pair) for pair in pairs()]
    made[place][part] = to(made[place][part])
    return make_samples([tuple(pair) for pair in made])


def one_pixel(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[3, 4] ^= 1
    return array


def test_the_same_samples_have_the_same_fingerprint() -> None:
    assert fingerprint(make_samples(pairs())) == fingerprint(make_samples(pairs()))


@pytest.mark.parametrize(
    "other",
    [
        changed(1, 0, one_pixel),
        changed(2, 1, one_pixel),
        changed(0, 0, lambda image: image.astype(np.uint16)),
        changed(0, 0, lambda image: image.reshape(9, 8, 3)),
        make_samples(pairs()[:2]),
        make_samples(pairs()[::-1]),
        make_samples(pairs())[[1, 0, 2]],
        make_samples(pairs(), groups=["a", "a", "b"]),
        make_samples(pairs(), class_names=["background", "cell"]),
        make_samples(pairs(), ignore_value=255),
        make_samples(pairs(), class_names=["a", "b"]).binary("a"),
    ],
)
def test_every_change_shows(other: Samples) -> None:
    assert fingerprint(other) != fingerprint(make_samples(pairs()))


def write_folder(root: Path) -> Path:
    for index, (image, mask) in enumerate(pairs()):
        for name, array in (("images", image), ("masks", mask)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / name / f"{index}.png")
    return root


def of_folder(root: Path) -> Samples:
    return read_folder(root / "images", root / "masks")


def test_files_count_by_their_content_wherever_they_are(tmp_path: Path) -> None:
    first = fingerprint(of_folder(write_folder(tmp_path / "here")))
    there = write_folder(tmp_path / "there" / "here")
    assert fingerprint(of_folder(there)) == first
    Image.fromarray(one_pixel(pairs()[1][0])).save(there / "images" / "1.png")
    assert fingerprint(of_folder(there)) != first


@pytest.mark.parametrize(("place", "shows"), [(0, True), (50, False), (99, True)])
def test_of_large_files_both_ends_count(
    place: int, shows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "EDGE", 10)
    content = bytearray(range(100))
    path = tmp_path / "file"
    path.write_bytes(content)
    before = fingerprints._file_digest(path)
    content[place] ^= 1
    path.write_bytes(content)
    assert (fingerprints._file_digest(path) != before) is shows
    path.write_bytes(bytes(range(50)) + bytes(1) + bytes(range(50, 100)))
    assert fingerprints._file_digest(path) != before  # the size counts


def compiled(loss: Any = None, optimizer: Any = None, **net: Any) -> dict[str, str]:
    model = unet((None, None, 3), **{"filters": 4, "depth": 1, "dropout": 0.2, **net})
    model.compile(optimizer or adamw(20), loss or BceDice())
    return model_facts(model)


def test_a_model_built_again_has_the_same_facts() -> None:
    assert compiled() == compiled()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"filters": 5}, "architecture"),
        ({"depth": 2}, "architecture"),
        ({"dropout": 0.3}, "architecture"),
        ({"upsampling": "bilinear"}, "architecture"),
        ({"optimizer": adamw(21)}, "optimizer's learning_rate decay_steps"),
        ({"optimizer": keras.optimizers.Adam(1e-3)}, "optimizer"),
        ({"loss": BceDice(ignore_value=255)}, "loss's ignore_value"),
        ({"loss": Tversky()}, "loss"),
        ({"loss": "binary_crossentropy"}, "loss"),
    ],
)
def test_what_changes_is_named(settings: dict[str, Any], name: str) -> None:
    before, now = compiled(), compiled(**settings)
    assert name in {key for key in {**before, **now} if before.get(key) != now.get(key)}


def test_the_dtype_policy_belongs_to_the_architecture() -> None:
    before = compiled()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert compiled()["architecture"] != before["architecture"]
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_function_as_loss_is_told_by_its_name() -> None:
    def my_loss(truth: Any, said: Any) -> Any:
        return keras.ops.mean(truth - said)

    assert compiled(loss=my_loss)["loss"] == "my_loss"


def test_a_model_of_a_class_of_ones_own_has_facts() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.layers.Conv2D(1, 1, activation="sigmoid")

        def call(self, images: Any) -> Any:
            return self.inner(images)

    model = Own()
    model(np.zeros((1, 8, 8, 3), np.float32))
    model.compile("adam", "binary_crossentropy")
    assert model_facts(model)["architecture"].startswith("4 weights, fingerprint ")


def test_a_setting_is_told_without_its_address() -> None:
    class Meet:
        pass

    assert plain(Meet()) == plain(Meet())
    assert plain(keras.Variable(3)) == "3"


def test_refuse_others_names_what_differs_and_only_that() -> None:
    refuse_others("runs/a", {"seed": 0, "size": 64}, {"size": 64, "seed": 0})
    with pytest.raises(ValueError) as error:
        refuse_others("runs/a", {"seed": 0, "size": 64, "old": 1}, {"seed": 2, "size": 64})
    assert_says(error, "runs/a", "(seed 0, old 1)", "seed 2, old None", "change this back")
    assert "size" not in str(error.value)
