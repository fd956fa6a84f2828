"""Colours of masks: the usual colour maps, and what grey conversion makes of them."""

from collections.abc import Iterable

# Matplotlib's first ten (tab10), Cityscapes' and CamVid's, as hexadecimal RGB.
_TABLES = {
    "Matplotlib's tab10": "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf",
    "the Cityscapes colours": "804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 "
    "98fb98 4682b4 dc143c ff0000 00008e 000046 003c64 005064 0000e6 770b20",
    "the CamVid colours": "808080 800000 c0c080 804080 3c28de 808000 c08080 404080 400080 404000 "
    "0080c0",
}

# Levels that people choose when they mean grey: parts of 255, and round numbers.
_PLAIN = {0, 50, 63, 64, 85, 100, 127, 128, 150, 170, 191, 192, 200, 250, 255}


def grey_of(colour: int) -> int:
    """Grey level of a 24-bit RGB colour, as Pillow's ``convert("L")`` computes it.

    The weights are those of luma in ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.

    Examples
    --------
    >>> grey_of(0xFF0000), grey_of(0x00FF00), grey_of(0x0000FF)
    (76, 150, 29)
    """
    red, green, blue = colour >> 16 & 255, colour >> 8 & 255, colour & 255
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def voc_colour(index: int) -> int:
    """Colour of a class id in the palette of Pascal VOC, as 24-bit RGB.

    The bits of the id are dealt out to red, green and blue in turn, the highest bit first
    (VOCcolormap of the VOC development kit, Everingham et al. 2010, doi:10.1007/s11263-009-0275-4).

    Examples
    --------
    >>> [f"{voc_colour(k):06x}" for k in range(4)]
    ['000000', '800000', '008000', '808000']
    """
    parts = [0, 0, 0]
    for level in range(8):
        for channel in range(3):
            bit = index >> (3 * level + channel) & 1
            parts[channel] |= bit << (7 - level)
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def colour_maps() -> dict[str, tuple[int, ...]]:
    """The usual colour maps by name, as 24-bit RGB."""
    plain = [r << 16 | g << 8 | b for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    half = [r << 16 | g << 8 | b for r in (0, 128) for g in (0, 128) for b in (0, 128)]
    tables = {name: [int(c, 16) for c in text.split()] for name, text in _TABLES.items()}
    return {
        "pure red, green, blue and their sums": tuple(plain),
        "the VOC palette": (*map(voc_colour, range(22)), 0xE0E0C0),
        "half-bright red, green, blue and their sums": tuple(half),
        **{name: tuple(table) for name, table in tables.items()},
    }


def map_behind(values: Iterable[int]) -> str:
    """Name the colour map whose greys these are; "" if none is known.

    Examples
    --------
    >>> map_behind([0, 38, 75, 113])
    'the VOC palette'
    >>> map_behind([0, 128, 255])
    ''
    """
    wanted = set(values)
    telling = wanted - _PLAIN
    if not telling:
        return ""
    for name, table in colour_maps().items():
        if wanted <= {0, 255, *map(grey_of, table)}:
            return name
    return ""


def shown(colour: int) -> str:
    """Write a colour as a tuple of red, green and blue.

    Examples
    --------
    >>> shown(0xFF8000)
    '(255, 128, 0)'
    """
    return str((colour >> 16 & 255, colour >> 8 & 255, colour & 255))
