"""Blood smears, the back of the eye and the inside of the bowel."""

from collections.abc import Mapping
from pathlib import Path

from unet_helpers.data.public.convert import Converted, above_half, files, find_one, pair
from unet_helpers.data.public.entry import Entry, Source

# --- blood ----------------------------------------------------------------------------------------

BLOOD_COMMIT = "fa9c01622f52bccb9aeb8a6f2628f564e377767d"
# 112 and 139 are one image, drawn twice; 166 and 171 show one cell.
TWINS = {name: f"{a} and {b}" for a, b in (("112", "139"), ("166", "171")) for name in (a, b)}


def _convert_blood(release: Mapping[str, Path], out: Converted) -> None:
    folder = find_one(release["segmentation_WBC.zip"], "Dataset 1")
    for stem, image, mask in pair(files(folder, ["*.bmp"]), files(folder, ["*.png"])):
        out.add(stem, image, mask)


BLOOD = Entry(
    name="blood",
    folder="wbc_tecom",
    title="White blood cells in a stained smear, one a picture (Jiangxi Tecom)",
    sources=(
        Source(
            "segmentation_WBC.zip",
            (f"https://github.com/zxaoyou/segmentation_WBC/archive/{BLOOD_COMMIT}.zip",),
        ),
    ),
    # The archive is packed on demand, so that its bytes may change; its files do not.
    contents="sha256:3b5e9be31f88c1a604363e5a356fcd4f57cde5e74558ebb141d7de6083415ab7",
    convert=_convert_blood,
    class_names=("background", "cytoplasm", "nucleus"),
    foreground=("cytoplasm", "nucleus"),
    mask_values={0: 0, 128: 1, 255: 2},
    group=lambda name: TWINS.get(name, name),
    images=300,
    licence="GPL-3.0 (the repository's; none for the data alone)",
    terms="Acknowledge Jiangxi Tecom Science Corporation, China, and cite the paper; the licence "
    "names the code, so ask before you pass pictures on.",
    citation="X. Zheng, Y. Wang, G. Wang, J. Liu, Fast and robust segmentation of white blood cell "
    "images by self-supervised learning, Micron 107, 55-71 (2018), "
    "doi:10.1016/j.micron.2018.01.010",
    homepage="https://github.com/zxaoyou/segmentation_WBC",
    pictures_may_be_stored=False,
    good_for="three classes on small images, and one image that was drawn twice: how well do two "
    "people agree?",
)


# --- vessels --------------------------------------------------------------------------------------


def _convert_chase(release: Mapping[str, Path], out: Converted) -> None:
    folder = find_one(release["CHASEDB1.zip"], "Image_01L.jpg").parent
    for stem, image in files(folder, ["Image_*.jpg"]).items():
        out.add(stem, image, above_half(folder / f"{stem}_1stHO.png"))
        out.add_extra("masks_second", stem, above_half(folder / f"{stem}_2ndHO.png"))


def _chase_part(name: str) -> str:
    # The usual test set is the last 8 images: children 11 to 14, both eyes of each.
    child = int(name[6:8])
    return "train" if child <= 8 else "val" if child <= 10 else "test"


VESSELS = Entry(
    name="vessels",
    folder="chase_db1",
    title="Blood vessels at the back of children's eyes, drawn by two people (CHASE_DB1)",
    sources=(
        Source(
            "CHASEDB1.zip",
            (
                "https://researchdata.kingston.ac.uk/96/1/CHASEDB1.zip",
                "https://staffnet.kingston.ac.uk/~ku15565/CHASE_DB1/assets/CHASEDB1.zip",
            ),
            2_513_926,
            "sha256:bb750b73633492d700e56d91578ee3cdb7e4dbd08279e7465583e9efd26790b6",
        ),
    ),
    convert=_convert_chase,
    class_names=("background", "vessel"),
    foreground=("vessel",),
    mask_values={0: 0, 255: 1},
    group=lambda name: f"child {name[6:8]}",
    split=_chase_part,
    images=28,
    licence="CC BY 4.0",
    terms="Share and adapt with attribution; the course stores no pictures of patients all the "
    "same.",
    citation="M. M. Fraz et al., An Ensemble Classification-Based Approach Applied to Retinal "
    "Blood Vessel Segmentation, IEEE Transactions on Biomedical Engineering 59(9), 2538-2548 "
    "(2012), doi:10.1109/TBME.2012.2205687",
    homepage="https://researchdata.kingston.ac.uk/96/",
    pictures_may_be_stored=False,
    good_for="thin structures, two eyes of one child as a group, and a second annotator in "
    "`masks_second/` as the yardstick",
)

DRIVE = Entry(
    name="vessels-drive",
    folder="drive",
    title="Blood vessels at the back of the eye (DRIVE, training part)",
    sources=(Source("training.zip"),),
    convert=lambda release, out: _convert_drive(release["training.zip"], out),
    class_names=("background", "vessel"),
    foreground=("vessel",),
    mask_values={0: 0, 255: 1},
    split=lambda name: "train" if int(name) <= 32 else "val" if int(name) <= 36 else "test",
    images=20,
    licence="none stated; after registration",
    terms="For research and education, after registration with the organisers.",
    citation="J. Staal et al., Ridge-based vessel segmentation in color images of the retina, IEEE "
    "Transactions on Medical Imaging 23(4), 501-509 (2004), doi:10.1109/TMI.2004.825627",
    homepage="https://drive.grand-challenge.org/",
    pictures_may_be_stored=False,
    good_for="a model trained on one camera's images and tried on another's (`vessels`)",
    by_hand="register at https://drive.grand-challenge.org/ and get training.zip (the folders "
    "images and 1st_manual)",
)


def _convert_drive(folder: Path, out: Converted) -> None:
    drawn = find_one(folder, "1st_manual")
    for stem, image in files(drawn.parent / "images", ["*_training.tif"]).items():
        number = stem.removesuffix("_training")
        out.add(number, image, above_half(drawn / f"{number}_manual1.gif"))


# --- polyps ---------------------------------------------------------------------------------------


def _convert_kvasir(release: Mapping[str, Path], out: Converted) -> None:
    folder = release["kvasir-seg.zip"]
    images = files(find_one(folder, "images"), ["*.jpg"])
    for stem, image, mask in pair(images, files(find_one(folder, "masks"), ["*.jpg"])):
        # The masks were saved as JPEG: around every edge lie values that nobody drew.
        out.add(stem, image, above_half(mask))


POLYPS = Entry(
    name="polyps",
    folder="kvasir_seg",
    title="Polyps seen by an endoscope (Kvasir-SEG)",
    sources=(
        Source(
            "kvasir-seg.zip",
            ("https://datasets.simula.no/downloads/kvasir-seg.zip",),
            46_227_172,
            "sha256:03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7",
        ),
    ),
    convert=_convert_kvasir,
    class_names=("background", "polyp"),
    foreground=("polyp",),
    mask_values={0: 0, 255: 1},
    images=1000,
    licence="research and education only",
    terms="For research and education; any commercial use needs written permission, and the paper "
    "must be cited.",
    citation="D. Jha et al., Kvasir-SEG: A Segmented Polyp Dataset, MultiMedia Modeling, LNCS "
    "11962, 451-462 (2020), doi:10.1007/978-3-030-37734-2_37",
    homepage="https://datasets.simula.no/kvasir-seg/",
    pictures_may_be_stored=False,
    good_for="masks that were saved as JPEG, large soft objects, and a set that does not tell "
    "which images show one patient",
)

ENTRIES = (BLOOD, VESSELS, DRIVE, POLYPS)
