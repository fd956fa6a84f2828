"""Streets and pets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.public.convert import Converted, files, find_one, read_grey
from unet_helpers.data.public.entry import Entry, Source, share_by_hash
from unet_helpers.data.samples import DataError

# --- streets --------------------------------------------------------------------------------------

STREET_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
UNLABELLED = len(STREET_CLASSES)

# CamVid's own 32 classes, in the order of the release's codes.txt, each with its class here.
CAMVID = {
    "Animal": "pedestrian",
    "Archway": "building",
    "Bicyclist": "bicyclist",
    "Bridge": "building",
    "Building": "building",
    "Car": "car",
    "CartLuggagePram": "pedestrian",
    "Child": "pedestrian",
    "Column_Pole": "pole",
    "Fence": "fence",
    "LaneMkgsDriv": "road",
    "LaneMkgsNonDriv": "road",
    "Misc_Text": "sign",
    "MotorcycleScooter": "bicyclist",
    "OtherMoving": "car",
    "ParkingBlock": "pavement",
    "Pedestrian": "pedestrian",
    "Road": "road",
    "RoadShoulder": "pavement",
    "Sidewalk": "pavement",
    "SignSymbol": "sign",
    "Sky": "sky",
    "SUVPickupTruck": "car",
    "TrafficCone": "pole",
    "TrafficLight": "sign",
    "Train": "car",
    "Tree": "tree",
    "Truck_Bus": "car",
    "Tunnel": "building",
    "VegetationMisc": "tree",
    "Void": None,
    "Wall": "building",
}
HALF = (480, 360)  # width and height of SegNet's frames, half of the camera's


def _convert_camvid(release: Mapping[str, Path], out: Converted) -> None:
    """Halve the frames and group the classes, as the SegNet paper did."""
    from PIL import Image

    folder = release["camvid.tgz"]
    codes = find_one(folder, "codes.txt").read_text(encoding="utf-8").split()
    table = _class_table(codes)
    labels = find_one(folder, "labels")
    for stem, image in files(find_one(folder, "images"), ["*.png"]).items():
        with Image.open(image) as file:
            frame = np.asarray(file.convert("RGB").resize(HALF, Image.Resampling.BOX))
        values = table[read_grey(labels / f"{stem}_P.png")]
        # Nearest neighbour: every value is one that somebody drew.
        small = np.asarray(Image.fromarray(values).resize(HALF, Image.Resampling.NEAREST))
        out.add(stem, frame, small)


def _class_table(codes: list[str]) -> NDArray[Any]:
    if {code.lower() for code in codes} != {code.lower() for code in CAMVID}:
        raise DataError(
            f"codes.txt: CamVid's 32 class names are expected, found {', '.join(codes[:4])}, ... "
            f"({len(codes)}): its layout has changed, so tell the course's authors"
        )
    lower = {code.lower(): ours for code, ours in CAMVID.items()}
    table = np.full(256, 255, np.uint8)
    for value, code in enumerate(codes):
        ours = lower[code.lower()]
        table[value] = UNLABELLED if ours is None else STREET_CLASSES.index(ours)
    return table


def _camvid_part(name: str) -> str:
    """SegNet's parts, which are stretches of four drives (their train.txt, val.txt, test.txt)."""
    drive, frame = name.split("_")
    number = int(frame.lstrip("f"))
    if drive == "Seq05VD" or (drive == "0001TP" and number >= 8550):
        return "test"
    return "val" if drive == "0016E5" and 7959 <= number <= 8159 else "train"


STREETS = Entry(
    name="streets",
    folder="camvid",
    title="Streets of Cambridge from a car (CamVid, in SegNet's 11 classes)",
    sources=(
        Source(
            "camvid.tgz",
            ("https://s3.amazonaws.com/fast-ai-imagelocal/camvid.tgz",),
            598_913_237,
            "md5:648371e4f3a833682afb39b08a3ce2aa",
        ),
    ),
    convert=_convert_camvid,
    class_names=STREET_CLASSES,
    foreground=("road",),
    mask_values={value: value for value in range(len(STREET_CLASSES))},
    ignore_value=UNLABELLED,
    group=lambda name: f"{name.split('_')[0]} {_camvid_part(name)}",
    split=_camvid_part,
    images=701,
    licence="none stated; non-commercial",
    terms="For research and teaching, not commercial, with citation; do not publish changed frames "
    "without asking.",
    citation="G. J. Brostow, J. Fauqueur, R. Cipolla, Semantic object classes in video, Pattern "
    "Recognition Letters 30(2), 88-97 (2009), doi:10.1016/j.patrec.2008.04.005; the 11 classes and "
    "the split: V. Badrinarayanan, A. Kendall, R. Cipolla, SegNet, IEEE PAMI 39(12), 2481-2495 "
    "(2017), doi:10.1109/TPAMI.2016.2644615",
    homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    pictures_may_be_stored=False,
    good_for="eleven classes of very different size, pixels without a label, and frames of one "
    "drive that must stay together",
)


# --- pets -----------------------------------------------------------------------------------------


def _convert_pets(release: Mapping[str, Path], out: Converted) -> None:
    images = files(find_one(release["images.tar.gz"], "images"), ["*.jpg"])
    drawn = find_one(release["annotations.tar.gz"], "trimaps")
    for list_, part in (("trainval.txt", "train"), ("test.txt", "test")):
        for line in (drawn.parent / list_).read_text(encoding="utf-8").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            stem = line.split()[0]
            mine = "val" if part == "train" and share_by_hash(stem) < 0.2 else part
            out.add(stem, images[stem], drawn / f"{stem}.png", mine)


_PETS = "ox.ac.uk/~vgg/data/pets"

PETS = Entry(
    name="pets",
    folder="oxford_pets",
    title="Cats and dogs of 37 breeds (Oxford-IIIT Pet)",
    sources=(
        Source(
            "images.tar.gz",
            (
                f"https://www.robots.{_PETS}/data/images.tar.gz",
                f"https://thor.robots.{_PETS}/images.tar.gz",
            ),
            791_918_971,
            "sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
        ),
        Source(
            "annotations.tar.gz",
            (
                f"https://www.robots.{_PETS}/data/annotations.tar.gz",
                f"https://thor.robots.{_PETS}/annotations.tar.gz",
            ),
            19_173_078,
            "sha256:52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
        ),
    ),
    convert=_convert_pets,
    class_names=("background", "pet"),
    foreground=("pet",),
    # 1 is pet, 2 background, 3 the border between them, which nobody classified.
    mask_values={2: 0, 1: 1},
    ignore_value=3,
    images=7349,
    licence="CC BY-SA 4.0",
    terms="Share and adapt with attribution and under the same licence; the photographs' owners "
    "keep their rights.",
    citation="O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar, Cats and Dogs, IEEE CVPR "
    "(2012), doi:10.1109/CVPR.2012.6248092",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    pictures_may_be_stored=True,
    good_for="photographs everybody understands, trimaps whose values start at 1, transfer from "
    "a pretrained encoder",
)

ENTRIES = (STREETS, PETS)
