"""The kinds of findings: their names, weights and meanings.

The names are part of the interface: reports, tests and scripts refer to them, so they stay.

How heavy a finding weighs: an **error** makes training wrong or impossible; a **warning** is
probably a fault and wants a look; a **note** is true, good to know and already taken care of.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Kind(NamedTuple):
    """One kind of finding.

    Attributes
    ----------
    severity : str
        Its usual weight; a finding may weigh less or more where it says why.
    title : str
        The fault in a few words.
    meaning : str
        What it is, and what it would do to a training.
    """

    severity: Severity
    title: str
    meaning: str


# What no statistics of a set can tell, said with every finding on places.
_MISSED = (
    "With fewer than a dozen images, for shifts of a few pixels, or when all masks are wrong in "
    "the same way, the doctor can miss such a fault: look at some pairs yourself."
)


def _kinds(severity: Severity, *rows: tuple[str, str, str]) -> dict[str, Kind]:
    return {name: Kind(severity, title, meaning) for name, title, meaning in rows}


KINDS: dict[str, Kind] = {
    **_kinds(
        "error",
        (
            "folders-exchanged",
            "the two folders look exchanged",
            "IMAGES comes first, MASKS second. What stands second looks like photographs, smooth "
            "and of many values, what stands first like masks.",
        ),
        ("no-pairs", "nothing to train on", "No image has a mask: there is nothing to learn from."),
        (
            "image-without-mask",
            "images without a mask",
            "No mask has a name that fits the image's. Left in, the image could not be scored.",
        ),
        (
            "mask-without-image",
            "masks without an image",
            "No image has a name that fits the mask's: work was done that nobody will use.",
        ),
        (
            "several-candidates",
            "several files could be the partner",
            "More than one file fits; a guess would be silent and might be wrong.",
        ),
        (
            "name-collision",
            "file names that other systems take for one",
            "The names differ only in upper and lower case or in how accents are stored. Windows "
            "and macOS keep one file of them, without a word.",
        ),
        ("empty-file", "files of 0 bytes", "The file holds nothing: a copy or export was cut off."),
        ("truncated", "files that end too early", "The first part decodes, the end is not there."),
        ("unreadable", "files that do not decode", "The file is damaged or not what it is named."),
        (
            "unsupported",
            "files of an unknown form",
            "The file decodes, but not to one image: several pages, or a pixel type of no use.",
        ),
        (
            "too-large",
            "files of an absurd size",
            "The header promises more pixels than fit into memory: damaged, or made to do harm.",
        ),
        (
            "size-differs",
            "mask and image differ in size",
            "Each mask pixel labels the image pixel at its place, so both need one size.",
        ),
        (
            "mask-turned",
            "masks that are turned or mirrored",
            "The mask fits its image once it is turned: the training would learn from noise. "
            + _MISSED,
        ),
        (
            "mask-shifted",
            "masks that lie beside what they outline",
            "The mask fits its image better when it is moved: edges are learnt in the wrong place. "
            + _MISSED,
        ),
        (
            "pairs-swapped",
            "masks that belong to another image",
            f"The mask fits another image than the one it is paired with. {_MISSED}",
        ),
        (
            "polarity-inverted",
            "masks with foreground and background exchanged",
            f"The other masks call the same structures by the other class. {_MISSED}",
        ),
        (
            "mask-in-between-values",
            "masks with values between the classes",
            "Along the edges lie values that no one drew. JPEG and smooth resizing (bilinear) mix "
            "neighbouring values, and the mean of class 1 and class 3 is not class 2.",
        ),
        (
            "mask-instance-ids",
            "masks that number objects instead of classes",
            "Each object has a number of its own. Read as class ids, the tenth cell of every image "
            "would be a class of its own.",
        ),
        (
            "mask-colours-as-grey",
            "colour masks that were read as grey",
            "The values are brightnesses of colours. Two classes may have got the same one.",
        ),
        (
            "mixed-encodings",
            "masks of two encodings in one set",
            "The same class has one value in some masks and another value in others.",
        ),
        (
            "unexpected-value",
            "mask values that no class has",
            "A value that is neither a class id nor the ignore value: a training stops at it, or "
            "learns nonsense.",
        ),
        (
            "class-missing-from-split",
            "classes missing from a part",
            "What training never sees it cannot learn; where validation or test never see it, its "
            "score is undefined.",
        ),
        (
            "image-in-two-splits",
            "the same image in two parts",
            "The model is tested on what it was trained with: the score is too good.",
        ),
        (
            "group-in-two-splits",
            "the same group in two parts",
            "Images of one patient, slide or film resemble each other: split by group, or the "
            "score is too good.",
        ),
        (
            "nan-or-infinite",
            "images with values that are no numbers",
            "One NaN in one pixel turns the loss and then all weights into NaN.",
        ),
        (
            "exif-rotation-one-side",
            "a camera's rotation mark on one side only",
            "The file asks to be shown turned (EXIF), its partner does not: whether they fit "
            "depends on the program that reads them.",
        ),
    ),
    **_kinds(
        "warning",
        (
            "mask-grey-levels",
            "mask values that need a rule",
            "The classes are saved as grey levels, to be seen by eye. They are no class ids: say "
            "which value is which class.",
        ),
        (
            "mask-off-by-one",
            "class ids that start at 1",
            "No mask holds a 0. Classes count from 0, so with K classes the id K is one too many.",
        ),
        (
            "mask-ignore-value",
            "255 beside class ids",
            "255 beside small ids usually marks pixels without a label. Unnamed, it is taken for a "
            "class.",
        ),
        (
            "mask-colours",
            "masks that tell classes by colour",
            "The masks are RGB images: say which colour is which class.",
        ),
        (
            "mask-alpha",
            "masks with an alpha channel",
            "Transparency is no label. Tools that draw on a transparent layer save it, and some "
            "keep the classes nowhere else.",
        ),
        (
            "all-foreground",
            "masks without background",
            "One class other than 0 covers all of the mask: true for a close-up, else a fault.",
        ),
        (
            "nothing-labelled",
            "masks of nothing but the ignore value",
            "Nothing in the image counts for the loss: it costs time and teaches nothing.",
        ),
        (
            "class-never-seen",
            "classes that no mask holds",
            "The class has a name and not one pixel: a wrong rule, or a name too many.",
        ),
        (
            "class-too-rare-for-patch",
            "classes that random patches miss",
            "Nearly no random patch holds the class, so the training hardly ever sees it.",
        ),
        (
            "duplicate-image",
            "the same image twice",
            "It counts twice, and a random split may put one copy on either side.",
        ),
        (
            "near-duplicate",
            "images that are nearly the same",
            "A scaled, brightened or recompressed copy, or the next frame: keep them in one part.",
        ),
        (
            "other-resolution",
            "one scene at two resolutions",
            "The same content appears at different sizes: objects have two sizes in pixels.",
        ),
        (
            "sixteen-bit-using-eight",
            "16-bit images that use few of their bits",
            "Scaled by the range of 16 bits the image is nearly black, or half of its bits say "
            "nothing.",
        ),
        (
            "constant-image",
            "images of one value",
            "Every pixel is the same: a black frame, a failed export, a wrong channel.",
        ),
        (
            "saturated-image",
            "images with burnt-out or crushed parts",
            "A large part lies at the end of the range; what was there cannot be told any more.",
        ),
        (
            "mixed-modes",
            "images of several kinds in one set",
            "Grey and colour, or 8 and 16 bits: channels and scaling differ between images.",
        ),
    ),
    **_kinds(
        "note",
        (
            "mask-0-255",
            "masks of 0 and 255",
            "Right for the eye, wrong for a loss: as class ids they are 0 and 1. read_folder() "
            "translates them; code that reads the files itself must divide.",
        ),
        (
            "mask-palette",
            "masks with a palette",
            "The file stores class ids and a colour for each. read_folder() takes the ids; a "
            "program that asks for grey or RGB gets colours.",
        ),
        (
            "all-background",
            "masks without any object",
            "Right where there is nothing to see, and a forgotten annotation where there is.",
        ),
        (
            "mixed-sizes",
            "images of several sizes",
            "Train on crops (batches(), size=...); stack() needs one size.",
        ),
    ),
}
