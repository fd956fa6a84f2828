"""`Start`: the trained model that `fine_tune` begins with, whether it fits, and its copy."""

import dataclasses
import hashlib
import zipfile
from pathlib import Path
from typing import Any

from unet_helpers import keras
from unet_helpers.data.samples import Samples
from unet_helpers.model.geometry import calls, output_length, sizes
from unet_helpers.training.run_record import MODEL, Run, read_model, read_record

layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Start:
    """A trained model, what is known of it, and what it is to become.

    Attributes
    ----------
    name : str
        Of its run, its file or itself.
    model : keras.Model
        Never changed.
    record : dict
        What its ``run.json`` tells; empty without one.
    file : Path or None
        Where it was read from.
    class_names : tuple of str
        Of the new images.
    """

    name: str
    model: keras.Model
    record: dict[str, Any]
    file: Path | None
    class_names: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Outputs of the new model: one or two will do for two classes."""
        found, classes = int(self.model.output_shape[-1]), len(self.class_names)
        fits = found == classes or (found == 1 and classes == 2)
        return found if fits else 1 if classes == 2 else classes

    @property
    def head(self) -> str | None:
        """The name of the layer that begins anew, if one does."""
        if self.outputs == self.model.output_shape[-1]:
            return None
        return next(
            (each.name for each in reversed(_way(self.model)) if hasattr(each, "filters")), ""
        )

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, equal for equal weights."""
        told = hashlib.sha256()
        for array in self.model.get_weights():
            told.update(f"{array.dtype} {array.shape}".encode())
            told.update(array.tobytes())
        return told.hexdigest()[:16]

    def told(self) -> dict[str, Any]:
        """What the record tells of it."""
        known = ("class_names", "data", "start")
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "head": "kept" if self.head is None else "new",
            **{name: self.record[name] for name in known if name in self.record},
        }

    def tell(self) -> None:
        """Say what becomes of the outputs, if it may surprise."""
        before = self.record.get("class_names", ())
        now = ", ".join(self.class_names)
        if self.head is not None:
            has = self.model.output_shape[-1]
            told = f" ({', '.join(before)})" if before else ""
            print(
                f"{self.name} has {has} output{'s' * (has != 1)}{told}, and {self.outputs} "
                f"{'are' if self.outputs > 1 else 'is'} needed ({now}): its last layer, "
                f"{self.head!r}, begins anew"
            )
        elif before and tuple(before) != self.class_names:
            print(f"the classes of {self.name} were {', '.join(before)}; from now on {now}")

    def build(self) -> keras.Model:
        """The same net with the same weights, but for a new head; all layers can be trained."""
        last = _way(self.model)[-1]

        def anew(layer: keras.layers.Layer) -> keras.layers.Layer:
            # Probabilities need float32, whatever the policy of the training.
            policy = "float32" if layer is last else keras.config.dtype_policy().name
            config = {**layer.get_config(), "trainable": True, "dtype": policy}
            if layer.name == self.head:
                config["filters"] = self.outputs
            if self.head is not None and layer is last:
                config["activation"] = "sigmoid" if self.outputs == 1 else "softmax"
            return type(layer).from_config(config)

        image = keras.Input((None, None, self.model.input_shape[-1]), name=_input_name(self.model))
        try:
            made = keras.models.clone_model(self.model, image, anew)
        except Exception as error:  # whatever a layer may say to an image of another size
            raise ValueError(
                f"start must be made of layers that can be built anew for any size, found that "
                f"{self.name} cannot ({_first_line(error)}): build it of convolutions, poolings "
                "and up-samplings"
            ) from error
        for layer in self.model.layers:
            if layer.name != self.head and not isinstance(layer, layers.InputLayer):
                _copy_weights(layer, made.get_layer(layer.name))
        return made


def _copy_weights(layer: keras.layers.Layer, copy: keras.layers.Layer) -> None:
    copy.set_weights(layer.get_weights())
    if isinstance(copy, layers.Normalization):
        copy.finalize_state()  # what it calculates with is derived from its weights


def _input_name(model: keras.Model) -> str:
    graph = getattr(model, "_functional", model)
    return next(str(each.name) for each in graph.layers if isinstance(each, layers.InputLayer))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")[:200]


def _way(model: keras.Model) -> list[keras.layers.Layer]:
    """Its layers, from the image to the output."""
    return [node.operation for node in calls(model)]


def _read(start: object) -> Start:
    if isinstance(start, Run):
        file = start.folder / MODEL if start.folder else None
        name = start.folder.resolve().name if start.folder else start.model.name
        return Start(name, start.model, start.record, file)
    if isinstance(start, keras.Model):
        return Start(start.name, start, {}, None)
    if not isinstance(start, (str, Path)):
        raise ValueError(
            "start must be a run, its folder, a .keras file or a model, found "
            f"{type(start).__name__}: give what train() returned"
        )
    path = Path(start)
    if path.is_dir():
        return Start(path.resolve().name, read_model(path), read_record(path) or {}, path / MODEL)
    if path.suffix != ".keras" or not path.is_file():
        found = "another file" if path.exists() else "nothing"
        raise ValueError(
            f"{path}: the folder of a run or a .keras file was expected, found {found}: name what "
            "train(folder=...) or model.save('model.keras') wrote"
        )
    # Beside a model of another name, a run.json is not its own.
    record = read_record(path.parent) if path.name == MODEL else None
    name = path.resolve().parent.name if record else path.stem
    return Start(name, _load(path), record or {}, path)


def _load(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: a model of Keras' own layers was expected, found one that cannot be loaded "
            f"({_first_line(error)}): save it again, or load it yourself and give the model"
        ) from None


def decoder_of(model: keras.Model) -> set[str]:
    """Names of the layers that enlarge, and of all that depend on one.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((None, None, 1), filters=4, depth=1)
    >>> sorted(decoder_of(model))[:2], len(decoder_of(model)), len(model.layers)
    (['output', 'up0_concat'], 9, 23)
    """
    names: set[str] = set()
    behind: set[int] = set()
    for node in calls(model):
        layer = node.operation
        enlarges = isinstance(layer, layers.UpSampling2D) or (
            isinstance(layer, layers.Conv2DTranspose) and layer.strides[0] > 1
        )
        if enlarges or any(id(each) in behind for each in node.input_tensors):
            names.add(layer.name)
            behind.update(id(each) for each in node.outputs)
    return names


# --- whether it fits -----------------------------------------------------------------------------


def fitting(
    start: Run | keras.Model | str | Path, samples: Samples, size: object, freeze: str | None
) -> Start:
    """Read what a training is to start from, and check that it fits.

    Parameters
    ----------
    start, samples, size, freeze
        As in `fine_tune`.

    Returns
    -------
    Start

    Raises
    ------
    ValueError
        If it cannot be read or does not fit.
    """
    begin = dataclasses.replace(_read(start), class_names=samples.class_names)
    _check_graph(begin)
    channels, found = begin.model.input_shape[-1], samples.arrays(0).image.shape[-1]
    if found != channels:
        raise ValueError(
            f"samples must have images of {channels} channel{'s' * (channels != 1)}, as "
            f"{begin.name} takes them, found {found} in {samples.names[0]!r}: convert the images, "
            "or train a new model on them with train()"
        )
    _check_output(begin)
    _check_size(begin, size)
    if freeze is not None and not decoder_of(begin.model):
        raise ValueError(
            f"freeze must be None for a model without a layer that enlarges, found {freeze!r} for "
            f"{begin.name}: leave it out"
        )
    return begin


def _check_graph(begin: Start) -> None:
    graph = getattr(begin.model, "_functional", begin.model)
    is_graph = hasattr(graph, "_nodes_by_depth")
    inner = [each for each in begin.model.layers if hasattr(each, "layers")]
    shapes = [len(each.shape) for each in (*graph.inputs, *graph.outputs)] if is_graph else []
    if is_graph and not inner and shapes == [4, 4]:
        return
    found = "a class of its own" if not is_graph else "other inputs and outputs"
    if isinstance(begin.model, keras.Sequential) and not is_graph:
        found = "no input shape yet"
    if inner:
        found = f"the model {inner[0].name!r} inside it"
    raise ValueError(
        "start must be one graph of layers from an image to a map of classes, found "
        f"{found} in {begin.name}: build it with unet(), keras.Model(inputs, outputs) or Sequential"
    )


def _check_output(begin: Start) -> None:
    last, head = _way(begin.model)[-1], begin.head
    function = "softmax" if isinstance(last, layers.Softmax) else None
    activation = function or getattr(getattr(last, "activation", None), "__name__", "none")
    wanted = "sigmoid" if begin.outputs == 1 else "softmax"
    if head is None and activation != wanted:
        raise ValueError(
            f"start must end in a {wanted} for {begin.outputs} output"
            f"{'s' * (begin.outputs != 1)}, found {activation} in {begin.name}: put "
            f"keras.layers.Activation({wanted!r}) behind its last layer"
        )
    if head is not None and not (head and hasattr(last, "activation")):
        raise ValueError(
            f"start must end in a convolution and its activation, so that {begin.outputs} outputs "
            f"can take the place of {begin.model.output_shape[-1]}, found {type(last).__name__} in "
            f"{begin.name}: build a model for {', '.join(begin.class_names)} and copy the weights "
            "that fit"
        )


def _check_size(begin: Start, size: object) -> None:
    rule = sizes(begin.model)
    if rule.margin:
        raise ValueError(
            f"start must give an output of its input's size, found one in {begin.name} that lacks "
            f'{2 * rule.margin} pixels: build the model with padding="same"'
        )
    is_whole = isinstance(size, int) and size > 0
    if not is_whole or output_length(begin.model, int(str(size))) != size:
        near = rule.fitting(int(str(size))) if is_whole else rule.fitting(128)
        raise ValueError(
            f"size must be one that {begin.name} takes, {rule.least} and every {rule.step} pixels "
            f"more, found {size!r}: take {near}"
        )
