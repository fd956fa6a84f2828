"""What to do about each finding; names in braces are filled in with the evidence."""

_NEAREST = "mask.resize(size, Image.Resampling.NEAREST)"

CURES = {
    "folders-exchanged": "name the folder of the images first, that of the masks second:\n"
    "    {code}",
    "no-pairs": "check both paths; images and masks are paired by equal stems (a.png with a.tif), "
    "by --pattern or by --manifest",
    "image-without-mask": "add the mask, or move the image out of the folder",
    "mask-without-image": "add the image, or move the mask out of the folder",
    "several-candidates": "keep one file for each stem, or name the pairs in a manifest "
    "(a CSV file with the columns image,mask)",
    "name-collision": "rename one of them",
    "empty-file": "copy or export the file again",
    "truncated": "copy or export the file again",
    "unreadable": "open it in an image viewer; export it again as PNG, or remove the pair",
    "unsupported": "save one grey or RGB page as PNG or TIFF",
    "too-large": "check where the file comes from; cut large images into tiles",
    "size-differs": "export the mask at the image's size; to resize a mask, never mix values:\n"
    f"    {_NEAREST}",
    "mask-turned": "turn the mask back{where}:\n    {code}",
    "mask-shifted": "move the mask back{where}; what left the picture is lost:\n    {code}",
    "pairs-swapped": "give each mask the name of the image it belongs to{where}",
    "polarity-inverted": "exchange the classes{where}:\n    {code}",
    "mask-in-between-values": "export the mask again as PNG, and resize without smoothing:\n"
    f"    {_NEAREST}\n"
    "to save what is left, set each pixel to the nearest value:\n"
    "    values = np.array({values})\n"
    "    mask = values[np.abs(mask[..., None].astype(int) - values).argmin(-1)].astype(np.uint8)",
    "mask-instance-ids": "say that they are objects, which makes every object class 1:\n"
    "    read_folder(images, masks, instances=True)  # in a command: --instances\n"
    "or in your own code: mask = (ids > 0).astype(np.uint8)",
    "mask-colours-as-grey": "read the original colour masks, and say which colour is which class; "
    "if they are lost, and no two classes share a value:\n"
    "    read_folder(images, masks, mask_values={mapping})",
    "mixed-encodings": "bring all masks to one encoding:\n    {code}",
    "unexpected-value": "correct the pixels, or name the value{code}",
    "class-missing-from-split": "move a group that holds the class into {part}, or split "
    "stratified by class",
    "image-in-two-splits": "keep one of them, or put both into one part",
    "group-in-two-splits": "split by group:\n    train, val, test = samples.split(seed=0)",
    "nan-or-infinite": "find out where they come from; to go on:\n"
    "    image = np.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0)",
    "exif-rotation-one-side": "store the pixels upright and drop the mark:\n"
    "    image = ImageOps.exif_transpose(Image.open(file)); image.save(file)",
    "mask-grey-levels": "say which value is which class, for instance:\n"
    "    read_folder(images, masks, mask_values={mapping})",
    "mask-off-by-one": "{reading}",
    "mask-ignore-value": "name it:\n    read_folder(images, masks, ignore_value=255{names})",
    "mask-colours": "{code}",
    "mask-alpha": "{code}",
    "all-foreground": "look at the masks; draw the background where there is some",
    "nothing-labelled": "leave the pair out, or label it",
    "class-never-seen": "check the rule that turns mask values into classes, or drop the name",
    "class-too-rare-for-patch": "take larger patches, or draw patches that meet the class:\n"
    "    {code}",
    "duplicate-image": "keep one, or give both one group so that no split parts them",
    "near-duplicate": "keep one, or give both one group so that no split parts them",
    "other-resolution": "keep one of each, or put them into one group; bring all images to the "
    "same pixel size",
    "sixteen-bit-using-eight": "scale by the range in use{advice}:\n    {code}",
    "constant-image": "look at the file; remove the pair or export the image again",
    "saturated-image": "expose less, or export without stretching the contrast; a microscope's "
    "black background is no fault",
    "mixed-modes": "bring all images to one mode:\n    image.convert({mode!r})",
    "mask-0-255": "nothing, with read_folder(); in your own code:\n"
    "    mask = (mask > 127).astype(np.uint8)",
    "mask-palette": "nothing, with read_folder(); in your own code:\n"
    "    mask = np.asarray(Image.open(file))  # never .convert('L')",
    "all-background": "look at a few of them; an image that is truly empty should stay",
    "mixed-sizes": "nothing, with batches(samples, size={size})",
}
