"""The course on one page, to print (A4, landscape): ``python -m unet_helpers.views.cheat_sheet``.

The page lies in ``docs/figures``; a test runs every line of Python on it and parses every command.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unet_helpers.views.figures import BLACK, BLUE
from unet_helpers.views.printed import (
    BAR,
    INCH,
    PAD,
    TEXT,
    Line,
    box,
    height_of,
    renew,
    write,
    write_lines,
)

PAGE = (841.89, 595.28)  # A4, in points
MARGIN, GUTTER, HEAD = 24.0, 9.0, 28.0
NET = 118.0  # height of the drawing of the net

# A box: title, notebooks, where explanations begin, lines.
Box = tuple[str, str, float, Sequence[Line]]

FILES: Box = (
    "From files to samples",
    "01",
    46,
    [
        ("text", "images/a.png belongs to masks/a.png. A rule, which is told,"),
        ("text", "turns what the masks hold into class ids 0, 1, ..."),
        ("gap", ""),
        ("code", "samples = read_folder("),
        ("code", '    "images", "masks",'),
        ("code", '    group=lambda name: name.split("_")[0],  # patient'),
        ("code", ")"),
        ("code", "print(samples.rule, samples.class_names)"),
        ("code", "samples = samples.binary()  # foreground or not"),
        ("gap", ""),
        ("text", "image\theight x width x channels, floats from 0 to 1"),
        ("text", "mask\theight x width, class ids"),
        ("text", "also\tread_coco, read_labelme, load"),
    ],
)
DOCTOR: Box = (
    "Have them examined",
    "01, 06",
    54,
    [
        ("code", "python -m unet_helpers doctor images masks"),
        ("code", 'print(check("images", "masks"))  # the same'),
        ("code", 'show(figures.samples(samples[:4]), alt="outlines")'),
        ("gap", ""),
        ("text", "error\tthe training would be wrong: mend it"),
        ("text", "warning\tlook at the files that it names"),
        ("text", "note\ttrue, and good to know"),
        ("text", "and you\tdoes each outline follow what you see?"),
    ],
)
SPLIT: Box = (
    "Split by group",
    "01",
    36,
    [
        ("text", "A group is a slide, patient or film: it goes to one part as"),
        ("text", "a whole, or the score tells how well the model remembers."),
        ("gap", ""),
        ("code", "train_part, val, test = samples.split(0.2, 0.2)"),
        ("code", "print(check(train=train_part, val=val, test=test))"),
        ("gap", ""),
        ("text", "train\tthe model learns from it"),
        ("text", "val\tyou choose with it: when to stop, which threshold"),
        ("text", "test\tonce, at the end, for the score that you report"),
    ],
)
MODEL: Box = (
    "The net",
    "02",
    36,
    [
        ("code", "model = unet((None, None, 3), filters=8, depth=3,"),
        ("code", '             upsampling="transpose")'),
        ("code", "print(receptive_field(model), size_multiple(model))"),
        ("gap", ""),
        ("text", "in\tbatch x height x width x channels"),
        ("text", "out\ta probability for each pixel (sigmoid)"),
        ("text", "sides\tmultiples of 2 to the power of the depth"),
        ("text", "field\tholds an object and some of its surroundings;"),
        ("text", "\tone level more at least doubles it"),
    ],
)
RECIPE: Box = (
    "Train",
    "03",
    84,
    [
        ("code", 'run = train(train_part, val, minutes=2, folder="run")'),
        ("gap", ""),
        ("text", "After a break the same call goes on. Or plain Keras:"),
        ("gap", ""),
        ("code", "model.compile(optimizer=adamw(1000), loss=BceDice(),"),
        ("code", "              metrics=[IoU(), Dice()])"),
        ("code", "crops = batches(train_part, size=128, batch_size=8)"),
        ("code", "model.fit(crops, steps_per_epoch=1000, shuffle=False)"),
        ("gap", ""),
        ("text", "before\tloss_at_start, overfit_one_batch"),
        ("text", "variety\tbatches(..., augment=Augmentation())"),
        ("text", "black mask\tdiagnose(model, images, masks)"),
        ("text", "both losses fall\tgo on, or stop content"),
        ("text", "validation rises\toverfitting: stop, augment, more data"),
        ("text", "neither falls\tbegin again at 'before'"),
    ],
)
SCORES: Box = (
    "Score",
    "04",
    54,
    [
        ("formula", r"$\mathrm{IoU}=\frac{tp}{tp+fp+fn}$"),
        ("formula", r"$\mathrm{Dice}=\frac{2\,tp}{2\,tp+fp+fn}=\frac{2\,IoU}{1+IoU}$"),
        (
            "formula",
            r"$\mathrm{precision}=\frac{tp}{tp+fp}$     $\mathrm{recall}=\frac{tp}{tp+fn}$",
        ),
        ("gap", ""),
        ("text", "tp, fp, fn\tfound; not there, but found; missed"),
        ("text", "pooled\tcounts of all images, divided once"),
        ("text", "mean\ta score an image; 0/0 left out, and told"),
        ("gap", ""),
        ("code", "said = predict_samples(model, test)"),
        ("code", "scores = score_images(test, [to_mask(p) for p in said])"),
        ("code", "print(scores.table(), interval(scores))"),
        ("code", "print(compare(scores, otsu_scores(train_part, test)))"),
    ],
)
TRAPS: Box = (
    "Traps",
    "01, 04, 04b",
    122,
    [
        ("text", "accuracy\thigh if nothing is found"),
        ("text", "mean of batch means\tchanges with the batch"),
        ("text", "threshold picked on test\ttoo high"),
        ("text", "empty images as 1, or 0\ttoo high, or too low"),
        ("text", "background averaged in\tnearly always too high"),
        ("text", "masks of 0 and 255\tanything at all"),
        ("text", "scored at a smaller size\tnot what users see"),
        ("text", "a patient in two parts\ttoo high"),
    ],
)
USE: Box = (
    "Without a notebook",
    "06, 07",
    0,
    [
        ("code", "python -m unet_helpers train images masks --out run"),
        ("code", "python -m unet_helpers evaluate run images masks"),
        ("code", "python -m unet_helpers predict run new --out out"),
        ("code", "python -m unet_helpers export run --format onnx"),
        ("code", "python -m unet_helpers app run"),
        ("gap", ""),
        ("code", 'model = load_model("run/model.keras")'),
        ("code", 'predict_large(model, "slide.tif", "mask.ome.tif")'),
        ("gap", ""),
        ("text", "Tiles have a halo as wide as the net can look: no seam."),
    ],
)
COLUMNS: tuple[tuple[float, list[Box]], ...] = (
    (256.0, [FILES, DOCTOR, SPLIT]),
    (259.89, [MODEL, RECIPE]),
    (260.0, [SCORES, TRAPS, USE]),
)


def code_lines() -> list[str]:
    """Every line of code on the page, in reading order, commands and Python alike."""
    boxes = [one for _, column in COLUMNS for one in column]
    return [text for *_, lines in boxes for kind, text in lines if kind == "code"]


def cheat_sheet() -> Figure:
    """Draw the page.

    Returns
    -------
    matplotlib.figure.Figure
        A4, landscape.
    """
    fig = Figure(figsize=(PAGE[0] / INCH, PAGE[1] / INCH))
    write(fig, MARGIN, MARGIN + 8, "U-Net on one page", fontsize=16, weight="bold", va="center")
    told = "from unet_helpers import ...  ·  numbers at the right: notebooks  ·  CC BY 4.0"
    write(fig, PAGE[0] - MARGIN, MARGIN + 8, told, fontsize=TEXT, ha="right", va="center")
    left = MARGIN
    for width, column in COLUMNS:
        _draw_column(fig, left, width, column)
        left += width + GUTTER
    return fig


def _draw_column(fig: Figure, left: float, width: float, column: Sequence[Box]) -> None:
    """Draw boxes below each other, with room between them so that the column fills the page."""
    heights = [height_of(lines) + (NET if title == "The net" else 0) for title, *_, lines in column]
    room = PAGE[1] - 2 * MARGIN - HEAD - sum(heights) - GUTTER * (len(column) - 1)
    extra = room / len(column)  # each box gets its share
    top = MARGIN + HEAD
    for (title, note, tab, lines), height in zip(column, heights, strict=True):
        box(fig, left, top, width, height + extra, title, note)
        down = top + extra / 2
        if title == "The net":
            _draw_net(fig, left + PAD, down + BAR + PAD, width - 2 * PAD)
            down += NET
        write_lines(fig, left, down, width, lines, tab + PAD)
        top += height + extra + GUTTER


def _draw_net(fig: Figure, left: float, top: float, width: float) -> None:
    """Draw the U of depth 3 with 8 filters, for an image of 256 x 256 pixels."""
    page_width, page_height = PAGE
    height = NET - 8
    place = (left / page_width, 1 - (top + height) / page_height)
    ax = fig.add_axes((*place, width / page_width, height / page_height))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    rows = [9.0, 37.0, 65.0, 93.0]
    centres = [(36.0 + 27 * level, width - 36.0 - 27 * level) for level in range(3)]
    for level, (one, other) in enumerate(centres):
        side, channels = 256 // 2**level, 8 * 2**level
        for x, fill in ((one, "#D6E9F5"), (other, "#FFFFFF")):
            _stage(ax, x, rows[level], f"{side}² x {channels}", fill)
        _arrow(ax, (one + 29, rows[level]), (other - 29, rows[level]), dashed=True)
    _stage(ax, width / 2, rows[3], "32² x 64", "#E8E8E8")
    for level, (one, other) in enumerate(centres):
        next_one, next_other = centres[level + 1] if level < 2 else (width / 2, width / 2)
        _arrow(ax, (one, rows[level] + 8), (next_one - 8, rows[level + 1] - 8))
        _arrow(ax, (next_other + 8, rows[level + 1] - 8), (other, rows[level] + 8))
    ax.text(width / 2, rows[0] - 2, "skip connections", fontsize=TEXT - 1, ha="center", va="bottom")
    ax.text(8, rows[3], "pooling 2 x 2", fontsize=TEXT - 1, va="center")
    ax.text(width - 8, rows[3], "up-sampling", fontsize=TEXT - 1, ha="right", va="center")


def _stage(ax: Axes, x: float, y: float, label: str, fill: str) -> None:
    """One level of the net: its label in a small box."""
    look: dict[str, Any] = {"facecolor": fill, "edgecolor": BLACK, "linewidth": 0.7}
    ax.add_patch(Rectangle((x - 28, y - 8), 56, 16, **look))
    ax.text(x, y, label, fontsize=TEXT - 1, ha="center", va="center_baseline")


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], dashed: bool = False
) -> None:
    """One arrow; those of the skip connections are dashed."""
    style = {"linestyle": (0, (3, 2)), "color": "#555555"} if dashed else {"color": BLUE}
    look = {"arrowstyle": "-|>", "linewidth": 0.9, "mutation_scale": 6, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops={**look, **style})


if __name__ == "__main__":
    renew(cheat_sheet, "cheat_sheet")
