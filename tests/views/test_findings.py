"""The doctor's findings as pictures."""

from pathlib import Path

import numpy as np
import pytest
from builders import assert_says
from matplotlib.figure import Figure
from PIL import Image
from sick import SIDE, Folder, field, save

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.report import Report
from unet_helpers.data.doctor.suspicions import Suspicion
from unet_helpers.views import figures
from unet_helpers.views.findings import evidence


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def look(folder: Folder, **settings) -> Report:
    return check(folder.images, folder.masks, patch=32, **settings)


def titles(fig: Figure) -> list[str]:
    return [ax.get_title() for ax in fig.axes if ax.get_title()]


def outlines(ax) -> int:
    return len(ax.collections)


def test_a_twin_beside_its_twin(folder: Folder) -> None:
    save(folder.image(4), field(0)[0])
    parts = {"split": lambda name: "test" if name == "cell_04" else "train"}
    fig = evidence(look(folder, **parts))
    assert titles(fig) == ["cell_00: image-in-two-splits\n(error)", "its copy\ncell_04 (test)"]
    first, second = (ax.images[0].get_array() for ax in fig.axes)
    assert np.array_equal(first, second)
    assert all(map(outlines, fig.axes))
    assert figures.png(fig)[:4] == b"\x89PNG"


def test_a_mask_of_another_size_is_drawn_beside_its_image(folder: Folder) -> None:
    save(folder.mask(1), field(1)[1][:64])
    image, mask = evidence(look(folder)).axes
    assert "size-differs" in image.get_title() and not outlines(image)
    assert f"64 x {SIDE}" in mask.get_title()


def test_values_between_are_enlarged(folder: Folder) -> None:
    small = Image.fromarray(field(1)[1] * 100).resize((SIDE, SIDE // 2), Image.Resampling.BILINEAR)
    save(folder.mask(1), np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    _, mask = evidence(look(folder)).axes
    part = mask.images[0].get_array()
    assert part.shape == (24, 24) and len(np.unique(part)) > 5


@pytest.mark.parametrize(
    ("suspicion", "spoil"),
    [
        (
            Suspicion("shifted", 2, offset=(9, -5), corrected=0.9, confidence=0.9),
            lambda m: np.roll(m, (9, -5), (0, 1)),
        ),
        (
            Suspicion("turned", 2, turn="transposed", corrected=0.9, confidence=0.9),
            lambda m: m.T.copy(),
        ),
    ],
)
def test_a_mask_is_shown_put_right(folder: Folder, monkeypatch, suspicion, spoil) -> None:
    # What is judged is tested elsewhere; here the verdict is given.
    from unet_helpers.data.doctor import rules_places

    monkeypatch.setattr(rules_places, "judge", lambda glimpses, names: [suspicion])
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:50, 30:70] = 1
    save(folder.mask(2), spoil(mask))
    left, right = evidence(look(folder)).axes
    box = right.collections[0].get_paths()[0].get_extents()
    assert (box.y0, box.y1, box.x0, box.x1) == (19.5, 49.5, 29.5, 69.5)
    assert left.collections[0].get_paths()[0].get_extents().y0 != 19.5


def test_what_left_the_picture_is_not_drawn(folder: Folder, monkeypatch) -> None:
    from unet_helpers.data.doctor import rules_places

    found = Suspicion("shifted", 2, offset=(9, -5), corrected=0.9, confidence=0.9)
    monkeypatch.setattr(rules_places, "judge", lambda glimpses, names: [found])
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[50:, 30:70] = 1
    save(folder.mask(2), mask)
    _, right = evidence(look(folder)).axes
    box = right.collections[0].get_paths()[0].get_extents()
    assert (box.y0, box.y1) == (40.5, SIDE - 9 - 0.5)


def test_kinds_take_turns_and_the_limit_holds(folder: Folder) -> None:
    for i in range(3):
        save(folder.mask(i), field(i)[1][:64])
    save(folder.image(4), field(3)[0])
    report = look(folder)
    shown = [title.split("\n")[0] for title in titles(evidence(report, limit=2))]
    assert [s for s in shown if ": " in s] == ["cell_00: size-differs", "cell_03: duplicate-image"]
    assert len(evidence(report, limit=3).axes) == 8  # two rows of two findings


def test_a_sixteen_bit_image_is_stretched_to_be_seen(folder: Folder) -> None:
    folder.images_by(lambda image: image[..., 0].astype(np.uint16))
    image = evidence(look(folder), limit=1).axes[0].images[0].get_array()
    assert image.min() == 0 and image.max() == 1


def test_nothing_to_see_is_said(folder: Folder) -> None:
    folder.mask(1).unlink()
    for report in (look(folder), Report((), 0)):
        with pytest.raises(ValueError) as error:
            evidence(report)
        assert_says(error, "print the report")


def test_files_that_do_not_read_are_left_out(folder: Folder) -> None:
    folder.image(1).write_bytes(b"")
    save(folder.mask(2), field(2)[1][:64])
    assert [t for t in titles(evidence(look(folder))) if "error" in t] == [
        "cell_02: size-differs\n(error)"
    ]
