"""The kinds of findings of `diagnose`: name, weight and title, the most probable cause first.

The names are part of the interface. Within one weight, findings are ordered as they stand here:
what the program says (certain), then the data, then what only the training shows, which often is a
consequence of the former.
"""

from typing import NamedTuple

from unet_helpers.data.doctor.findings import Finding
from unet_helpers.data.doctor.kinds import KINDS as OF_THE_DATA
from unet_helpers.data.doctor.kinds import SEVERITIES, Severity


class Kind(NamedTuple):
    """One kind of finding: its usual weight, and the fault in a few words."""

    severity: Severity
    title: str


_OWN = {
    # What the program says.
    "softmax-of-one": Kind("error", "softmax over a single output"),
    "relu-before-output": Kind("error", "a ReLU right before the output"),
    "logits-as-probabilities": Kind("error", "logits given to a loss that expects probabilities"),
    "activation-twice": Kind("error", "the last activation is applied twice"),
    "output-count": Kind("error", "number of outputs and number of classes disagree"),
    "one-hot-or-ids": Kind("error", "class ids where one-hot masks are expected, or the reverse"),
    "wrong-loss": Kind("error", "a loss for another kind of output"),
    "logits-thresholded": Kind("error", "logits cut as if they were probabilities"),
    "frozen-layers": Kind("error", "layers that cannot learn"),
    # What the data say, beside what the doctor says of them.
    "weights-not-finite": Kind("error", "weights that are no numbers any more"),
    "no-foreground": Kind("error", "masks without any foreground"),
    "images-not-scaled": Kind("warning", "images that are not scaled to 0..1"),
    "images-too-dark": Kind("warning", "images that are nearly black"),
    "augmented-validation": Kind("warning", "augmentation on the validation images"),
    # What the training shows.
    "loss-not-finite": Kind("error", "a loss that is no number"),
    "learning-rate-too-high": Kind("error", "learning rate too high"),
    "dead-units": Kind("error", "units that are dead"),
    "no-gradient": Kind("error", "no gradient reaches the weights"),
    "imbalance": Kind("warning", "foreground too rare for the loss"),
    "learning-rate-too-low": Kind("warning", "learning rate too low"),
    "all-background-predicted": Kind("error", "everything is predicted as background"),
    "constant-prediction": Kind("warning", "the same prediction everywhere"),
    # No fault.
    "logits-output": Kind("note", "the model gives logits"),
    "validation-varies": Kind("note", "validation images that differ from epoch to epoch"),
    "mask-looks-black": Kind("note", "masks that look black and are right"),
}
# The doctor's findings that a training suffers from, most probable first. Not among them:
# pairs-swapped, which it says of sound pairs too where these are few, or small crops.
FROM_THE_DOCTOR = (
    "mask-in-between-values",  # also those of 0 to 255: blurred explains more than stretched
    "mask-0-255",
    "mask-instance-ids",
    "mask-grey-levels",
    "mixed-encodings",
    "unexpected-value",
    "nan-or-infinite",
    "mask-shifted",
    "mask-turned",
    "polarity-inverted",
    "image-in-two-splits",
    "group-in-two-splits",
    "constant-image",
)
KINDS: dict[str, Kind] = {}
for _name, _kind in _OWN.items():
    if _name == "no-foreground":  # the doctor's come between the program's and the training's
        KINDS |= {n: Kind(OF_THE_DATA[n].severity, OF_THE_DATA[n].title) for n in FROM_THE_DOCTOR}
    KINDS[_name] = _kind


def fault(
    name: str, message: str, fix: str, severity: Severity | None = None, **evidence: float
) -> Finding:
    """Make a finding of a kind in `KINDS`.

    Parameters
    ----------
    name : str
        A key of `KINDS`.
    message : str
        What was found, as one sentence with the evidence.
    fix : str
        What to do.
    severity : str, optional
        Its weight; the kind's by default.
    **evidence : float
        The measured numbers by name.

    Returns
    -------
    Finding

    Examples
    --------
    >>> fault("softmax-of-one", "one output", "use sigmoid", outputs=1).severity
    'error'
    """
    return Finding(name, severity or KINDS[name].severity, message, counts=evidence, fix=fix)


def ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    """Order findings: errors first, and within a weight the most probable cause first.

    Parameters
    ----------
    findings : list of Finding

    Returns
    -------
    tuple of Finding
        One of each name.

    Examples
    --------
    >>> found = [fault("mask-looks-black", "", ""), fault("dead-units", "", "")]
    >>> [each.name for each in ordered(found)]
    ['dead-units', 'mask-looks-black']
    """
    order = list(KINDS)
    found = sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), order.index(f.name)))
    return tuple({each.name: each for each in reversed(found)}[name] for name in
                 dict.fromkeys(each.name for each in found))  # fmt: skip
