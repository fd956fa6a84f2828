"""Numbers and comparisons as prose writes them: what "over 11", "nearly twice" and "fewer" say.

A `Quantity` is the range of values for which a phrase is true. How wide that is depends on how the
phrase puts it: "0.69" is right to half of its last digit, "about a fifth" to 15 per cent, and "over
11" is true from 11 upwards, but is no longer what one would say of 20.
"""

import re
from dataclasses import dataclass

ABOUT = 0.15  # "about": this far to either side
REACH = 0.25  # "over" and "nearly": up to this far beyond, or short of, the number

HEDGES = {
    "about": ("about", "roughly", "around", "some", "≈", "close to"),
    "over": ("over", "more than", "at least", "above", "well over"),
    "under": ("under", "less than", "fewer than", "nearly", "almost", "up to", "below", "at most"),
}
NUMBERS = (
    "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen",
)  # fmt: skip
WORDS = {word: float(number) for number, word in enumerate(NUMBERS, start=1)} | {
    "no": 0.0,
    "none": 0.0,
    "nothing": 0.0,
    "a half": 0.5,
    "a tenth": 0.1,
    "a fifth": 0.2,
    "a quarter": 0.25,
    "a third": 1 / 3,
    "half": 0.5,
    "all": 1.0,
    "once": 1.0,
    "a minute": 1.0,
    "twice": 2.0,
    "double": 2.0,
    "twofold": 2.0,
    "thrice": 3.0,
    "threefold": 3.0,
    "fourfold": 4.0,
    "tenth": 0.1,
    "dozen": 12.0,
    "a dozen": 12.0,
    "twenty": 20.0,
    "thirty": 30.0,
    "fifty": 50.0,
    "a hundred": 100.0,
}
# Words for any number between two.
RANGES = {"several": (3, 10), "hundreds": (100, 1000), "thousands": (1000, 100_000)}
# A word for more, and the word for less that turns the sentence round.
OPPOSITES = {
    "more": "less",
    "most": "least",
    "larger": "smaller",
    "largest": "smallest",
    "higher": "lower",
    "highest": "lowest",
    "better": "worse",
    "best": "worst",
    "faster": "slower",
    "quicker": "slower",
    "longer": "shorter",
    "farther": "nearer",
    "wider": "narrower",
    "many": "few",
    "more often": "less often",
    "dearer": "cheaper",
    "above": "below",
    "gain": "lose",
    "gains": "loses",
    "rises": "falls",
    "up": "down",
    "high": "low",
    "ahead": "behind",
    "farther apart": "closer",
}
LESS = {less: more for more, less in OPPOSITES.items()} | {"fewer": "more"}
EQUAL = ("as many", "as much", "the same", "equal", "agree", "neither")
DEGREES = re.compile(r"^(?:very |much |far |a little |little |clearly |by far |the )+")


@dataclass(frozen=True)
class Quantity:
    """What a phrase says of a value.

    Attributes
    ----------
    value : float
        The number named; for a bare comparison 1 for more, -1 for less, 0 for equal.
    low, high : float
        The phrase is true of the values between these.
    """

    value: float
    low: float
    high: float

    def holds(self, computed: float) -> bool:
        """Tell whether the phrase is true of a value.

        Parameters
        ----------
        computed : float
            The value.

        Returns
        -------
        bool
            Whether it lies in the range, up to the rounding of floats.
        """
        slack = 1e-9 * max(1.0, abs(computed))
        return self.low - slack <= computed <= self.high + slack


def hedge_of(text: str) -> tuple[str, str]:
    """Part a phrase into how it puts the number, and the number.

    Parameters
    ----------
    text : str
        Such as ``nearly twice``.

    Returns
    -------
    str
        "equal", "about", "over" or "under".
    str
        What is left of the phrase.

    Examples
    --------
    >>> hedge_of("nearly twice")
    ('under', 'twice')
    """
    for kind, phrases in HEDGES.items():
        for phrase in phrases:
            if (rest := text.strip().lower().removeprefix(phrase)) != text.strip().lower():
                return kind, rest.strip()
    return "equal", text.strip().lower()


def number_of(text: str) -> tuple[float, float] | None:
    """Read a number in digits or words.

    Parameters
    ----------
    text : str
        Without a hedge: ``1,234``, ``-0.05``, ``95 %``, ``4 x 4``, ``1/8``, ``four times``.

    Returns
    -------
    tuple of float, or None
        The number, and how far it may be from a value that it is a rounding of; None if it is none.

    Examples
    --------
    >>> number_of("0.69"), number_of("four times"), number_of("blue")
    ((0.69, 0.005), (4.0, 0.2), None)
    """
    word = re.sub(r"\s+times$", "", text.lower().strip())
    if word in WORDS:
        return WORDS[word], min(0.05 * WORDS[word], 0.49)
    if (square := re.fullmatch(r"(\S+) x (\S+)", word)) is not None:
        return number_of(square[1]) if square[1] == square[2] else None
    if (part := re.fullmatch(r"(\d+)(?:/| of )([\d,]+)", word)) is not None:
        whole = float(part[2].replace(",", ""))
        return float(part[1]) / whole, 0.5 / whole if "of" in word else 0.0
    digits = re.fullmatch(r"([+-]?)(\d[\d,]*(?:\.(\d+))?)(\s*%)?", word)
    if digits is None:
        return None
    scale = 0.01 if digits[4] else 1.0
    value = float(digits[2].replace(",", "")) * (-1 if digits[1] == "-" else 1)
    return value * scale, 0.5 * 10.0 ** -len(digits[3] or "") * scale


def quantity(text: str, kind: str | None = None, within: float | None = None) -> Quantity | None:
    """Read a phrase.

    Parameters
    ----------
    text : str
        A number, in digits or words, or a comparison.
    kind : {"equal", "about", "over", "under"}, optional
        How the number is meant, where the phrase itself does not say so.
    within : float, optional
        How far the value may be from the number: in its own unit for "equal" (and for comparisons
        that say "the same"), as a share of it for the others.

    Returns
    -------
    Quantity or None
        None if the phrase is neither a number nor a comparison.

    Examples
    --------
    >>> quantity("more than twice")
    Quantity(value=2.0, low=2.0, high=2.5)
    >>> quantity("fewer")
    Quantity(value=-1.0, low=-inf, high=-1e-08)
    """
    hedge, rest = hedge_of(text)
    if (read := number_of(rest)) is None:
        return _comparison(text, within)
    (value, rounding), size = read, abs(read[0])
    meant = kind or hedge
    if meant == "equal":
        reach = rounding if within is None else within
        return Quantity(value, value - reach, value + reach)
    if meant == "about":
        reach = size * (ABOUT if within is None else within)
        return Quantity(value, value - reach, value + reach)
    reach = size * (REACH if within is None else within)
    return Quantity(value, value, value + reach) if meant == "over" else _under(value, reach)


def _under(value: float, reach: float) -> Quantity:
    """What "nearly" says."""
    return Quantity(value, value - reach, value)


def _comparison(text: str, within: float | None) -> Quantity | None:
    """What a comparison without a number says of the first value minus the second."""
    plain = text.strip().lower()
    word = plain if plain in EQUAL else DEGREES.sub("", plain)
    if word in RANGES:
        return Quantity(float(RANGES[word][0]), *map(float, RANGES[word]))
    smallest, endless = 1e-8, float("inf")
    if word in OPPOSITES:
        return Quantity(1.0, smallest, endless)
    if word in LESS:
        return Quantity(-1.0, -endless, -smallest)
    if word in EQUAL:
        return Quantity(0.0, -(within or 0.0), within or 0.0)
    return None
