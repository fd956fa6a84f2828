"""Values that cross the wall: from a submission's process to the checks and back, as plain JSON.

No pickle, which would let a submission run code outside. What has no form here, such as a Keras
tensor, raises `NoForm`.
"""

import base64
import builtins
from typing import Any

import numpy as np

KINDS = "biufcU"  # booleans, numbers and text: arrays without Python objects in them
DEEPEST = 40


class NoForm(TypeError):
    """A value that cannot cross the wall."""


def encode(value: Any, depth: int = 0) -> Any:
    """Give a value the form in which it crosses.

    Parameters
    ----------
    value : object
        Numbers, text, None, Ellipsis, arrays, and lists, tuples, sets and dicts of them.
    depth : int, optional
        How deep this value lies in another.

    Returns
    -------
    object
        What `json.dumps` takes.

    Raises
    ------
    NoForm
        If there is no form for it.

    Examples
    --------
    >>> decode(encode((1, {"a": np.arange(2)}, ...)))
    (1, {'a': array([0, 1])}, Ellipsis)
    """
    if depth > DEEPEST:
        raise NoForm("a value that holds itself")
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if value is Ellipsis:
        return {"is": "dots"}
    if isinstance(value, float) and not isinstance(value, np.generic):
        return {"is": "float", "of": float(value).hex()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        name = next(kind for kind in _MANY if isinstance(value, _MANY[kind]))
        return {"is": name, "of": [encode(each, depth + 1) for each in value]}
    if isinstance(value, dict):
        pairs = [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in value.items()]
        return {"is": "dict", "of": pairs}
    raise NoForm(f"a {type(value).__name__}")


_MANY: dict[str, Any] = {"list": list, "tuple": tuple, "set": (set, frozenset)}


def _encode_array(value: Any) -> dict[str, Any]:
    array = np.asarray(value)
    if array.dtype.kind not in KINDS:
        raise NoForm(f"an array of {array.dtype}")
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    kind = "scalar" if isinstance(value, np.generic) else "array"
    return {"is": kind, "type": array.dtype.str, "shape": list(array.shape), "of": data}


def decode(form: Any) -> Any:
    """Give back the value of a form.

    Parameters
    ----------
    form : object
        What `encode` gave, or what a hostile process sent in its place.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ValueError
        If it is no form.
    """
    if form is None or isinstance(form, (bool, int, str)):
        return form
    try:
        return _DECODERS[form["is"]](form)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError("the answer came in no form that a submission's process uses") from error


def _decode_array(form: Any) -> Any:
    kind = np.dtype(str(form["type"]))
    if kind.kind not in KINDS:
        raise ValueError("an array of objects")
    array = np.frombuffer(base64.b64decode(form["of"]), kind).reshape(form["shape"])
    return array[()] if form["is"] == "scalar" else array.copy()


_DECODERS: dict[str, Any] = {
    "dots": lambda form: ...,
    "float": lambda form: float.fromhex(form["of"]),
    "array": _decode_array,
    "scalar": _decode_array,
    "list": lambda form: [decode(each) for each in form["of"]],
    "tuple": lambda form: tuple(decode(each) for each in form["of"]),
    "set": lambda form: {decode(each) for each in form["of"]},
    "dict": lambda form: {decode(k): decode(v) for k, v in form["of"]},
}


def as_error(name: str, message: str) -> Exception:
    """Make an error like the one that was raised behind the wall.

    Parameters
    ----------
    name, message : str
        Its class's name and its text.

    Returns
    -------
    Exception
        Of Python's own class where it has one of that name, a `RuntimeError` otherwise.
    """
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return RuntimeError(f"{name}: {message}")
    try:
        return kind(message)
    except TypeError:  # UnicodeDecodeError and its like want more than a text
        return RuntimeError(f"{name}: {message}")
