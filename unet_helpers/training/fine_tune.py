"""`fine_tune`: a trained model trained on, on new images; `train` with another beginning."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unet_helpers import keras
from unet_helpers.data.samples import Samples
from unet_helpers.training.plan import asked, check_arguments, default_minutes, make_plan, parts
from unet_helpers.training.recipe import fast_precision
from unet_helpers.training.run_log import tensorboard_log
from unet_helpers.training.run_record import MODEL, Run
from unet_helpers.training.sanity import set_seed
from unet_helpers.training.start import Start, decoder_of, fitting
from unet_helpers.training.train import CROPS, RATE, Net, carry_out

# As measured by benchmarks/fine_tuning.py: with few images, a tenth of the rate of `train` and the
# old statistics forget least; a frozen encoder or decoder learns less. A last layer that is new
# has all to learn.
GENTLE = {"peak": 6e-4, "statistics": "keep"}
AS_TRAIN = {**RATE, "statistics": "adapt"}
KNOWN = ("peak", *CROPS)
FREEZE = (None, "encoder", "decoder")
STATISTICS = ("keep", "adapt")


def fine_tune(
    start: Run | keras.Model | str | Path,
    samples: Samples,
    val: Samples | None = None,
    *,
    freeze: str | None = None,
    statistics: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    rounds: int | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    precision: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: str | Path | None = None,
    **recipe: Any,
) -> Run:
    """Train a model that is trained already on other images, by the recipe of `train`.

    The net is that of `start`, and so are the weights it begins with; all else is as in `train`,
    a break included. `start` itself is never changed.

    Parameters
    ----------
    start : Run, path-like or keras.Model
        A run, its folder, a ``.keras`` file, or a model: a graph of Keras' own layers whose output
        is as large as its input and ends in a sigmoid (one output) or a softmax. Whatever size it
        was built for, the new one takes every size that its poolings allow.
    samples, val : Samples
        As in `train`. With another number of classes than `start` has, the last layer begins anew,
        which is told. What `start` was trained on must not be among the images that test the new
        model either.
    freeze : {None, "encoder", "decoder"}
        Layers that keep their weights to the bit. The decoder is the first layer that enlarges, and
        all that depends on it; the encoder is the rest. A last layer that is new is never frozen.
    statistics : {"keep", "adapt"}
        Whether batch normalisation keeps the means and variances (and the scales and shifts) of the
        first training, or goes by the new images. By default "keep", and "adapt" with a last layer
        that is new.
    minutes, steps, rounds, seed, folder, precision, callbacks, tensorboard
        As in `train`; the folder must not be that of `start`.
    **recipe
        ``peak`` (0.0006; with a last layer that is new 0.006) of `adamw`; ``size``,
        ``batch_size``, ``colour``, ``augment``, ``meet`` and ``reuse`` as in `train`.

    Returns
    -------
    Run
        Its record has ``start``: the name, the fingerprint of the weights, and the class names, the
        data and the start of the first training, as far as they are known. The model is float32 and
        not compiled, and all its layers can be trained.

    Raises
    ------
    ValueError, OSError, ImportError
        As `train`, and ValueError if `start` cannot be read or does not fit the images.

    Notes
    -----
    Measured from drawn blood cells to real ones (benchmarks/fine_tuning.py: 300 steps, mean IoU of
    cytoplasm and nucleus on 152 images, three seeds): the drawn model as it is has 0.81; with 1, 5
    and 20 real images it has 0.82, 0.84 and 0.86, a training from scratch 0.55, 0.72 and 0.83. With
    ``statistics="adapt", peak=0.006`` it is 0.79, 0.81 and 0.87: better from about 20 images on.
    With the encoder or the decoder frozen it was no better, with 2 images or 10.

    Examples
    --------
    >>> from unet_helpers import load, train
    >>> small = {"size": 32, "batch_size": 2, "steps": 2}
    >>> cells = load("cells")[:9].binary()
    >>> first = train(cells, filters=4, depth=1, **small)
    >>> run = fine_tune(first, cells, freeze="encoder", **small)
    >>> run.finished, run.record["start"]["head"]
    (True, 'kept')
    """
    began = time.perf_counter()
    minutes = default_minutes(minutes, steps)
    check_arguments(minutes, steps, rounds, recipe, KNOWN)
    _check_choice("freeze", freeze, FREEZE)
    _check_choice("statistics", statistics, (None, *STATISTICS))
    train_part, val_part = parts(samples, val)
    begin = fitting(start, train_part, recipe.get("size", CROPS["size"]), freeze)
    default = GENTLE if begin.head is None else AS_TRAIN
    statistics = statistics or str(default["statistics"])
    chosen = {"peak": default["peak"], **CROPS, **recipe}
    _check_folder(begin, folder)
    extra = [tensorboard_log(tensorboard)] if tensorboard is not None else []
    set_seed(seed)
    plan = make_plan(
        train_part,
        val_part,
        chosen,
        asked(minutes, steps, rounds),
        freeze=freeze,
        statistics=statistics,
        start=f"weights {begin.fingerprint}",
        seed=seed,
        precision=precision or fast_precision(),
    )
    plan["start"] = begin.told()
    net = Net(begin.build, partial(_freeze, part=freeze, statistics=statistics, head=begin.head))
    begin.tell()
    return carry_out(train_part, val_part, plan, net, folder, [*callbacks, *extra], began)


def check_start(
    start: Run | keras.Model | str | Path, samples: Samples, freeze: str | None
) -> None:
    """Refuse now what `fine_tune` would refuse of `start`, before other work is done in vain.

    Parameters
    ----------
    start, samples, freeze
        As in `fine_tune`.

    Raises
    ------
    ValueError
        If `start` cannot be read, or does not fit the images.
    """
    fitting(start, samples, CROPS["size"], freeze).build()


def _check_choice(argument: str, value: object, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        raise ValueError(
            f"{argument} must be one of {', '.join(map(repr, allowed))}, found {value!r}: "
            "choose one of them"
        )


def _check_folder(begin: Start, folder: str | Path | None) -> None:
    if folder is None or begin.file is None:
        return
    if (Path(folder) / MODEL).resolve() == begin.file.resolve():
        raise ValueError(
            f"{folder}: folder must be another one than that of start, which is kept, found the "
            "same: name a new one"
        )


def _freeze(model: keras.Model, part: str | None, statistics: str, head: str | None) -> None:
    """Set aside what this training must not change."""
    decoder = decoder_of(model)
    for layer in model.layers:
        frozen = part == ("decoder" if layer.name in decoder else "encoder")
        kept = statistics == "keep" and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name == head or not (frozen or kept)
