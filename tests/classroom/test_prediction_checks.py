"""What the checks about prediction must hold beyond the answers in tests/notebooks/answers."""

import json
from pathlib import Path

import numpy as np

from unet_helpers import prediction_checks

STORED = Path(__file__).parents[2] / "benchmarks/results/learning_curve_cells.json"


def test_the_last_doubling_is_the_measured_one(capsys):
    rows = json.loads(STORED.read_text())["rows"]
    iou = {n: np.median([row["iou"] for row in rows if row["images"] == n]) for n in (1, 2, 16, 32)}
    prediction_checks.last_doubling(iou[32] - iou[16])
    assert capsys.readouterr().out == "Correct.\n"
    prediction_checks.last_doubling(iou[2] - iou[1])
    assert "as much as the first" in capsys.readouterr().out
