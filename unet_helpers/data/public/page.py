"""The catalogue as a page for learners; ``docs/data_sets.md`` is what `as_page` writes."""

import re
from collections.abc import Iterable

from unet_helpers.data.public.entry import Entry

OPENING = """\
# Public data sets by name

`load("cells")` draws its own images and needs no files. Every other set below is read from a
folder under your data home: `~/unet-data`, or the folder that the environment variable
`UNET_DATA_HOME` names. What lies there is used as it is, and nothing is ever downloaded unasked.

```
python -m unet_helpers data list           # what there is, and what of it is here
python -m unet_helpers data show nuclei    # size, licence, terms, what to cite
python -m unet_helpers data fetch nuclei   # tells size and terms, then downloads
```

In Python, `load("nuclei", download=True)` does the same. A download is checked against the hash on
record, unpacked with care and converted; the set's folder appears when it is whole. Where no hash
is on record, that of your first download is kept in `hashes/` under the data home, and a later
download that differs is refused. In a room without internet, download once elsewhere and either
copy the whole folder or name the files: `data fetch nuclei --file dsb2018.zip`.

Most sets are free for teaching only under their terms: read them before you publish pictures.
"Stored" tells whether pictures of a set may be part of what this course publishes; the command that
renews the notebooks' stored outputs refuses to load the other sets.
"""


def as_page(entries: Iterable[Entry]) -> str:
    """Write the page.

    Parameters
    ----------
    entries : iterable of Entry
        The sets, in the order of the page.

    Returns
    -------
    str
        Markdown: a table, then a section for each set. The function writes it, nobody else:
        ``python -m unet_helpers data page > docs/data_sets.md``.
    """
    entries = list(entries)
    table = ["| name | shows | images | classes | download | licence | stored |", "|" + "---|" * 7]
    for entry in entries:
        classes = len(entry.class_names)
        download = "by hand" if entry.by_hand else entry.size_text
        stored = "yes" if entry.pictures_may_be_stored else "no"
        table.append(
            f"| [`{entry.name}`](#{entry.name}) | {entry.title} | {entry.images} | {classes} | "
            f"{download} | {entry.licence} | {stored} |"
        )
    sections = [_section(entry) for entry in entries]
    return "\n".join([OPENING, *table, "", *sections])


def _section(entry: Entry) -> str:
    classes = ", ".join(entry.class_names)
    ignored = ""
    if entry.ignore_value is not None:
        ignored = f"; {entry.ignore_value} marks pixels without a label"
    lines = [
        f"## {entry.name}\n",
        f"{entry.title}.\n",
        f"- Good for: {entry.good_for}.",
        f"- Classes: {classes}{ignored}. Usual foreground: {', '.join(entry.foreground)}.",
        f"- Parts: {_parts_text(entry)}.",
        f"- Licence: {entry.licence}. {entry.terms}",
        f"- Cite: {_linked(entry.citation)}.",
        f"- From: <{entry.homepage}>{_hash_text(entry)}",
        f"- Folder: `{entry.folder}`" + (f". By hand: {entry.by_hand}." if entry.by_hand else ""),
    ]
    return "\n".join([*lines, ""])


def _parts_text(entry: Entry) -> str:
    if entry.split is not None:
        return "the set's own (training, validation, test)"
    if entry.stratify:
        return "the release's own where it has them, else by name within each image size"
    return "the release's own where it has them, else dealt by `split()`"


def _hash_text(entry: Entry) -> str:
    if entry.by_hand:
        return ""
    return ", hash on record" if entry.hash_is_known else ", no hash on record"


def _linked(citation: str) -> str:
    return re.sub(r"doi:(10\.[^\s;]+)", r"[doi:\1](https://doi.org/\1)", citation)
