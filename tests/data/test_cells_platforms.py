"""The embedded set is one set: whatever computes it, masks are equal and images all but equal."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unet_helpers.data.cells import Knobs, draw_field

ROOT = Path(__file__).parents[2]
FIELDS = [(slide, 0, 128) for slide in range(6)] + [(3, 1, 256)]
LOOKS: list[Knobs | None] = [None, Knobs(variety=3, white=4)]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

DRAW = f"""
import sys, numpy as np
from unet_helpers.data.cells import Knobs, draw_field
drawn = [draw_field(*field, knobs=knobs) for knobs in {LOOKS} for field in {FIELDS}]
parts = [np.concatenate([part.ravel() for part in parts]) for parts in zip(*drawn)]
np.savez(sys.argv[1], *parts)
"""


def simple_arithmetic() -> str:
    """All instruction sets that NumPy would choose from on this machine, to be left out."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__[name])


@pytest.mark.parametrize(
    "environment",
    [
        dict.fromkeys(THREADS, "1"),
        dict.fromkeys(THREADS, "4"),
        {"NPY_DISABLE_CPU_FEATURES": simple_arithmetic()},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    ],
    ids=["one thread", "four threads", "no vector instructions", "other surroundings"],
)
def test_same_masks_and_images_within_one_level(
    environment: dict[str, str], tmp_path: Path
) -> None:
    stored = tmp_path / "fields.npz"
    subprocess.run(
        [sys.executable, "-c", DRAW, str(stored)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        timeout=120,
    )
    here = [draw_field(*field, knobs=knobs) for knobs in LOOKS for field in FIELDS]
    image, mask, instances = (
        np.concatenate([part.ravel() for part in parts]) for parts in zip(*here, strict=True)
    )
    with np.load(stored) as other:
        assert np.abs(image.astype(int) - other["arr_0"]).max() <= 1
        np.testing.assert_array_equal(mask, other["arr_1"])
        np.testing.assert_array_equal(instances, other["arr_2"])


def test_drawing_does_not_depend_on_what_was_drawn_before() -> None:
    first = draw_field(2, 2, 96)
    draw_field(5, 0, 64, knobs=Knobs(variety=3, mottle=0.1))
    for one, other in zip(first, draw_field(2, 2, 96), strict=True):
        np.testing.assert_array_equal(one, other)
