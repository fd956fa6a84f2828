"""Cells in a dish, filmed: two sets of the Cell Tracking Challenge."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from unet_helpers.data.public.convert import Converted, files, find_one, instance_ids, read_tiff
from unet_helpers.data.public.entry import Entry, Source

CITATION = (
    "M. Maška et al., The Cell Tracking Challenge: 10 years of objective benchmarking, Nature "
    "Methods 20, 1010-1020 (2023), doi:10.1038/s41592-023-01879-y"
)
TERMS = (
    "Free to use for the challenge; any other public use needs the permission of the data's "
    "provider, so ask before you publish pictures or results."
)


def _convert_tracking(file: str, release: Mapping[str, Path], out: Converted) -> None:
    """Take the frames that people annotated; the other frames' masks are made by computers."""
    for movie in ("01", "02"):
        frames = files(find_one(release[file], movie), ["t*.tif"])
        gold = files(find_one(release[file], f"{movie}_GT") / "SEG", ["man_seg*.tif"])
        numbers = sorted(stem.removeprefix("man_seg") for stem in gold)
        # Frames of a movie follow each other: the last quarter of the first is for validation.
        first_val = len(numbers) - max(len(numbers) // 4, 1)
        for place, number in enumerate(numbers):
            part = "test" if movie == "02" else "val" if place >= first_val else "train"
            image = read_tiff(frames[f"t{number}"])
            ids = instance_ids(read_tiff(gold[f"man_seg{number}"]))
            out.add(f"{movie}_t{number}", image, ids, part)


def _tracking(name: str, set_name: str, title: str, size: int, hash_: str, images: int) -> Entry:
    host = "data.celltrackingchallenge.net/training-datasets"
    file = f"{set_name}.zip"
    return Entry(
        name=name,
        folder=set_name.lower(),
        title=title,
        sources=(Source(file, (f"https://{host}/{file}", f"http://{host}/{file}"), size, hash_),),
        convert=partial(_convert_tracking, file),
        class_names=("background", "cell"),
        foreground=("cell",),
        mask_values=None,
        group=lambda stem: f"movie {stem.split('_')[0]}",
        images=images,
        licence="none; by permission",
        terms=TERMS,
        citation=CITATION,
        homepage="https://celltrackingchallenge.net/2d-datasets/",
        pictures_may_be_stored=False,
        good_for="few annotated frames of two movies: test on the film you did not train on",
    )


U373 = _tracking(
    "u373",
    "PhC-C2DH-U373",
    "Glioblastoma cells U373, phase contrast (Cell Tracking Challenge)",
    43_454_399,
    "sha256:b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
    34,
)
HELA = _tracking(
    "hela",
    "DIC-C2DH-HeLa",
    "HeLa cells on glass, differential interference contrast (Cell Tracking Challenge)",
    41_504_758,
    "sha256:832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
    18,
)

ENTRIES = (U373, HELA)
