"""Electron microscopy, and nuclei under the fluorescence microscope."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unet_helpers.data.public.convert import (
    Converted,
    files,
    find_one,
    instance_ids,
    pair,
    read_grey,
    read_tiff,
)
from unet_helpers.data.public.entry import Entry, Source, share_by_hash
from unet_helpers.data.samples import DataError

NUCLEI_CITATION = (
    "J. C. Caicedo et al., Nucleus segmentation across imaging experiments: the 2018 Data Science "
    "Bowl, Nature Methods 16, 1247-1253 (2019), doi:10.1038/s41592-019-0612-7"
)
BBBC = "https://data.broadinstitute.org/bbbc"


# --- membranes ------------------------------------------------------------------------------------


def _convert_membranes(release: Mapping[str, Path], out: Converted) -> None:
    folder = release["ISBI-2012-challenge.zip"]
    images = read_tiff(find_one(folder, "train-volume.tif"))
    masks = read_tiff(find_one(folder, "train-labels.tif"))
    if images.ndim != 3 or images.shape != masks.shape:
        raise DataError(
            f"{folder}: two stacks of one shape are expected, found {images.shape} and "
            f"{masks.shape}: the release is not the expected one, so do not use it"
        )
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        out.add(str(number), image, np.where(mask > 0, 255, 0).astype(np.uint8))


def _block(name: str) -> str:
    # Thirty consecutive slices of one volume: neighbours look alike, so blocks, no shuffle.
    return "train" if int(name) < 20 else "val" if int(name) < 24 else "test"


MEMBRANES = Entry(
    name="membranes",
    folder="isbi2012_membrane",
    title="Nerve cells of a fruit fly's larva under the electron microscope (ISBI 2012)",
    sources=(
        Source(
            "ISBI-2012-challenge.zip", ("https://downloads.imagej.net/ISBI-2012-challenge.zip",)
        ),
    ),
    convert=_convert_membranes,
    class_names=("interior", "membrane"),
    foreground=("membrane",),
    mask_values={255: 0, 0: 1},
    group=lambda name: f"{_block(name)} block",
    split=_block,
    images=30,
    licence="none stated",
    terms="The challenge's page states no licence and asks to cite two papers: use it for "
    "research and teaching, and ask before you pass it on.",
    citation="A. Cardona et al., An Integrated Micro- and Macroarchitectural Analysis of the "
    "Drosophila Brain by Computer-Assisted Serial Section Electron Microscopy, PLoS Biology 8(10), "
    "e1000502 (2010), doi:10.1371/journal.pbio.1000502; I. Arganda-Carreras et al., Crowdsourcing "
    "the creation of image segmentation algorithms for connectomics, Frontiers in Neuroanatomy 9, "
    "142 (2015), doi:10.3389/fnana.2015.00142",
    homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
    pictures_may_be_stored=False,
    good_for="the set of the U-Net paper: thin borders, few images, and slices of one volume that "
    "must be split in blocks",
)


# --- nuclei ---------------------------------------------------------------------------------------


def _convert_stardist(release: Mapping[str, Path], out: Converted) -> None:
    folder = release["dsb2018.zip"]
    for part in ("train", "test"):
        here = find_one(folder, part)
        images = files(here / "images", ["*.tif"])
        for stem, image, mask in pair(images, files(here / "masks", ["*.tif"])):
            # The release has no validation part: a sixth of the training part, by name.
            mine = "val" if part == "train" and share_by_hash(stem) < 1 / 6 else part
            out.add(stem, read_tiff(image), instance_ids(read_tiff(mask)), mine)


NUCLEI = Entry(
    name="nuclei",
    folder="dsb2018_fluo",
    title="Nuclei under the fluorescence microscope (Data Science Bowl 2018, StarDist's choice)",
    sources=(
        Source(
            "dsb2018.zip",
            ("https://github.com/stardist/stardist/releases/download/0.1.0/dsb2018.zip",),
            hash="sha256:e44921950edce378063aa4457e625581ba35b4c2dbd9a07c19d48900129f386f",
        ),
    ),
    convert=_convert_stardist,
    class_names=("background", "nucleus"),
    foreground=("nucleus",),
    mask_values=None,
    stratify=True,
    images=497,
    licence="CC0 1.0",
    terms="In the public domain; cite it all the same.",
    citation=NUCLEI_CITATION
    + "; the choice: U. Schmidt et al., Cell Detection with Star-Convex Polygons, MICCAI (2018), "
    "doi:10.1007/978-3-030-00934-2_30",
    homepage="https://bbbc.broadinstitute.org/BBBC038",
    pictures_may_be_stored=True,
    good_for="separating touching objects, images of many sizes, counting",
)


def _convert_bowl(release: Mapping[str, Path], out: Converted) -> None:
    folder = release["stage1_train.zip"]
    homes = sorted(path.parent for path in folder.rglob("images") if path.is_dir())
    for home in homes:
        (image,) = files(home / "images", ["*.png"]).values()
        masks = [read_grey(path) > 0 for path in files(home / "masks", ["*.png"]).values()]
        ids = np.zeros(masks[0].shape, np.uint16)
        for number, mask in enumerate(masks, 1):
            ids[mask] = number  # where two nuclei overlap, the later one wins
        out.add(home.name, image, ids)


NUCLEI_ALL = Entry(
    name="nuclei-all",
    folder="dsb2018_stage1_train",
    title="Nuclei of every kind: fluorescence, stained tissue, bright field (BBBC038, stage 1)",
    sources=(
        Source(
            "stage1_train.zip",
            (f"{BBBC}/BBBC038/stage1_train.zip",),
            hash="sha256:dcb6edc2690f137406638b2309581a71522c4dff19157d118453b448dcddcb68",
        ),
    ),
    convert=_convert_bowl,
    class_names=("background", "nucleus"),
    foreground=("nucleus",),
    mask_values=None,
    stratify=True,
    images=670,
    licence="CC0 1.0",
    terms="In the public domain; cite it all the same.",
    citation=NUCLEI_CITATION,
    homepage="https://bbbc.broadinstitute.org/BBBC038",
    pictures_may_be_stored=True,
    good_for="what happens to a model when the kind of image changes",
)

_BBBC039_PARTS = {"training": "train", "validation": "val", "test": "test"}


def _convert_bbbc039(release: Mapping[str, Path], out: Converted) -> None:
    from skimage.measure import label

    parts = {}
    for theirs, ours in _BBBC039_PARTS.items():
        text = find_one(release["metadata.zip"], f"{theirs}.txt").read_text(encoding="utf-8")
        parts.update({Path(line.strip()).stem: ours for line in text.splitlines() if line.strip()})
    images = files(find_one(release["images.zip"], "images"), ["*.tif"])
    masks = files(find_one(release["masks.zip"], "masks"), ["*.png"])
    for stem, image, mask in pair(images, masks):
        # The first channel gives touching nuclei different values, not each nucleus its own.
        ids = label(read_grey(mask), background=0)
        out.add(stem, read_tiff(image), instance_ids(ids), parts.get(stem))


NUCLEI_BBBC039 = Entry(
    name="nuclei-bbbc039",
    folder="bbbc039",
    title="Nuclei of U2OS cells in a chemical screen, 16-bit fluorescence (BBBC039)",
    sources=(
        Source(
            "images.zip",
            (f"{BBBC}/BBBC039/images.zip",),
            77_915_748,
            "sha256:6f30a5d4fe38c928ded972704f085975f8dc0d65d9aa366df00e5a9d449fddd7",
        ),
        Source(
            "masks.zip",
            (f"{BBBC}/BBBC039/masks.zip",),
            2_753_811,
            "sha256:f9e6043d8ca56344a4886f96a700d804d6ee982f31e2b2cd3194af2a053c2710",
        ),
        Source(
            "metadata.zip",
            (f"{BBBC}/BBBC039/metadata.zip",),
            17_816,
            "sha256:a2c1f900bed9ba92a99553efd4c2ae98598433691c7401d818653ab61110deb2",
        ),
    ),
    convert=_convert_bbbc039,
    class_names=("background", "nucleus"),
    foreground=("nucleus",),
    mask_values=None,
    images=200,
    licence="CC0 1.0 by report",
    terms="Said to be in the public domain, which the course's authors could not check: read the "
    "set's page before you publish pictures, and cite it.",
    citation="J. C. Caicedo et al., Evaluation of Deep Learning Strategies for Nucleus "
    "Segmentation in Fluorescence Images, Cytometry A 95, 952-965 (2019), "
    "doi:10.1002/cyto.a.23863; image set BBBC039v1, V. Ljosa et al., Nature Methods 9, 637 (2012), "
    "doi:10.1038/nmeth.2083",
    homepage="https://bbbc.broadinstitute.org/BBBC039",
    pictures_may_be_stored=False,
    good_for="16-bit images that use few of their bits, and a split made by the authors",
)


ENTRIES = (MEMBRANES, NUCLEI, NUCLEI_ALL, NUCLEI_BBBC039)
