"""What the checks about training must hold beyond the answers in tests/notebooks/answers."""

import numpy as np

from unet_helpers import adamw, training_checks


def test_the_schedule_that_is_asked_for_is_that_of_adamw(capsys):
    def rate(step, steps, peak):
        return float(adamw(steps, peak=peak)._learning_rate(step))

    training_checks.learning_rate(rate)
    assert capsys.readouterr().out == "Correct.\n"


def test_no_students_curves_end_at_their_lowest_point():
    fifty, kept = np.arange(1, 51), []
    for student in range(200):
        rng = np.random.default_rng(student)
        pace, harm = rng.uniform(0.08, 0.30), rng.uniform(0.003, 0.006)
        kept.append(int(np.argmin(0.10 + 0.55 * np.exp(-pace * fifty) + harm * fifty)) + 1)
    assert min(kept) > 5 and max(kept) < 45
    assert len(set(kept)) > 15
