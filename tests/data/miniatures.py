"""Miniature releases of the public sets, in the official layouts, and a server that hands them out.

Each builder returns the files of a release and the class ids it stands for, by the name that the
image has after conversion; the numbers come from a small drawing, not from the code under test.
"""

import contextlib
import io
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import tifffile
from PIL import Image

Files = dict[str, bytes]
Masks = dict[str, np.ndarray]
RNG = np.random.default_rng(7)


# --- archives -------------------------------------------------------------------------------------


def zipped(members: Files, **more: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content, **more)
    return buffer.getvalue()


def tarred(members: Files, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def encoded(pixels: np.ndarray, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    if kind == "tif":
        tifffile.imwrite(buffer, pixels, **settings)
    else:
        Image.fromarray(pixels).save(buffer, kind, **settings)
    return buffer.getvalue()


def noise(height: int, width: int, *channels: int, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, (height, width, *channels), dtype)


def objects(height: int, width: int) -> np.ndarray:
    """Instance ids: two objects that touch, and a third apart."""
    ids = np.zeros((height, width), np.uint16)
    ids[2:6, 2:6], ids[2:6, 6:9], ids[8:11, 3:8] = 1, 2, 3
    return ids


# --- releases -------------------------------------------------------------------------------------


def membranes() -> tuple[dict[str, bytes], Masks]:
    volume = RNG.integers(0, 256, (30, 12, 16), np.uint8)
    classes = (volume < 60).astype(np.uint8)  # 1 is membrane, which the release draws black
    members = {
        "ISBI-2012-challenge/train-volume.tif": encoded(volume, "tif"),
        "ISBI-2012-challenge/train-labels.tif": encoded((1 - classes) * np.uint8(255), "tif"),
        "ISBI-2012-challenge/test-volume.tif": encoded(volume, "tif"),
    }
    return {"ISBI-2012-challenge.zip": zipped(members)}, {
        str(i): mask for i, mask in enumerate(classes)
    }


def nuclei() -> tuple[dict[str, bytes], Masks]:
    members, expected = {"dsb2018/README.txt": b"x"}, {}
    for number in range(24):
        part = "train" if number < 18 else "test"
        stem, ids = f"{number:064x}", objects(12 + number % 3, 16)
        image = noise(*ids.shape)
        members[f"dsb2018/{part}/images/{stem}.tif"] = encoded(image, "tif")
        members[f"dsb2018/{part}/masks/{stem}.tif"] = encoded(ids, "tif")
        expected[stem] = (ids > 0).astype(np.uint8)
    return {"dsb2018.zip": zipped(members)}, expected


def nuclei_all() -> tuple[dict[str, bytes], Masks]:
    members, expected = {}, {}
    for number in range(10):
        stem, ids = f"{number:064x}", objects(12 + number % 2, 16)
        members[f"{stem}/images/{stem}.png"] = encoded(noise(*ids.shape, 4), "png")
        for one in (1, 2, 3):
            mask = (ids == one) * np.uint8(255)
            members[f"{stem}/masks/{one:064x}.png"] = encoded(mask, "png")
        expected[stem] = (ids > 0).astype(np.uint8)
    return {"stage1_train.zip": zipped(members)}, expected


def nuclei_bbbc039() -> tuple[dict[str, bytes], Masks]:
    images, masks, expected = {"images/": b""}, {"masks/": b"", "__MACOSX/masks/._x.png": b"x"}, {}
    lists: dict[str, list[str]] = {"training": [], "validation": [], "test": []}
    for number in range(8):
        stem, ids = f"IXMtest_A02_s{number}_w1", objects(12, 16)
        images[f"images/{stem}.tif"] = encoded(noise(12, 16, dtype=np.uint16), "tif")
        colours = np.zeros((12, 16, 4), np.uint8)
        # Apart objects share a value; touching ones do not.
        colours[..., 0] = np.array([0, 1, 2, 1], np.uint8)[ids]
        colours[..., 3] = 255
        masks[f"masks/{stem}.png"] = encoded(colours, "png")
        lists["training" if number < 4 else "validation" if number < 6 else "test"].append(stem)
        expected[stem] = (ids > 0).astype(np.uint8)
    metadata = {
        f"metadata/{name}.txt": "".join(f"{stem}.png\n" for stem in stems).encode()
        for name, stems in lists.items()
    }
    archives = {"images.zip": images, "masks.zip": masks, "metadata.zip": metadata}
    return {name: zipped(members) for name, members in archives.items()}, expected


def tracking(name: str) -> tuple[dict[str, bytes], Masks]:
    members, expected = {}, {}
    for movie in ("01", "02"):
        for frame in range(6):
            members[f"{name}/{movie}/t{frame:03}.tif"] = encoded(noise(12, 16), "tif")
            ids = objects(12, 16)
            # Computers drew every frame, people some of them, and people track in others.
            members[f"{name}/{movie}_ST/SEG/man_seg{frame:03}.tif"] = encoded(ids * 0, "tif")
            members[f"{name}/{movie}_GT/TRA/man_track{frame:03}.tif"] = encoded(ids * 0, "tif")
            if frame % 2:
                members[f"{name}/{movie}_GT/SEG/man_seg{frame:03}.tif"] = encoded(ids, "tif")
                expected[f"{movie}_t{frame:03}"] = (ids > 0).astype(np.uint8)
    return {f"{name}.zip": zipped(members)}, expected


def blood() -> tuple[dict[str, bytes], Masks]:
    members, expected = {"segmentation_WBC-fa9c016/README.rst": b"x"}, {}
    for stem in ("001", "002", "112", "139", "166", "171"):
        classes = RNG.integers(0, 3, (12, 16), np.uint8)
        home = "segmentation_WBC-fa9c016/Dataset 1"
        members[f"{home}/{stem}.bmp"] = encoded(noise(12, 16, 3), "bmp")
        members[f"{home}/{stem}.png"] = encoded(np.array([0, 128, 255], np.uint8)[classes], "png")
        members[f"segmentation_WBC-fa9c016/Dataset 2/{stem}.png"] = b"not ours"
        expected[stem] = classes
    return {"segmentation_WBC.zip": zipped(members)}, expected


# CamVid's 32 classes, in the release's order, by what SegNet's 11 make of them: 0 sky, 1 building,
# 2 pole, 3 road, 4 pavement, 5 tree, 6 sign, 7 fence, 8 car, 9 pedestrian, 10 bicyclist, 11 none.
GROUPED = {"Animal": 9, "Archway": 1, "Bicyclist": 10, "Bridge": 1, "Building": 1, "Car": 8}
GROUPED |= {"CartLuggagePram": 9, "Child": 9, "Column_Pole": 2, "Fence": 7, "LaneMkgsDriv": 3}
GROUPED |= {"LaneMkgsNonDriv": 3, "Misc_Text": 6, "MotorcycleScooter": 10, "OtherMoving": 8}
GROUPED |= {"ParkingBlock": 4, "Pedestrian": 9, "Road": 3, "RoadShoulder": 4, "Sidewalk": 4}
GROUPED |= {"SignSymbol": 6, "Sky": 0, "SUVPickupTruck": 8, "TrafficCone": 2, "TrafficLight": 6}
GROUPED |= {"Train": 8, "Tree": 5, "Truck_Bus": 8, "Tunnel": 1, "VegetationMisc": 5, "Void": 11}
GROUPED |= {"Wall": 1}


def streets() -> tuple[dict[str, bytes], Masks]:
    members = {"camvid/codes.txt": "\n".join(GROUPED).encode() + b"\n", "camvid/valid.txt": b""}
    expected = {}
    for stem in (
        "0001TP_006690",
        "0001TP_008550",
        "0006R0_f00930",
        "0016E5_07959",
        "Seq05VD_f00000",
    ):
        values = np.zeros((720, 960), np.uint8)
        values[:, 320:] = 17  # road
        values[:, :320] = np.arange(32).repeat(10)
        members[f"camvid/images/{stem}.png"] = encoded(np.zeros((720, 960, 3), np.uint8), "png")
        members[f"camvid/labels/{stem}_P.png"] = encoded(values, "png")
        row = np.concatenate([np.repeat(list(GROUPED.values()), 5), np.full(320, 3)])
        expected[stem] = np.tile(row, (360, 1)).astype(np.uint8)
    return {"camvid.tgz": tarred(members)}, expected


def pets() -> tuple[dict[str, bytes], Masks]:
    images, notes, expected = {}, {"annotations/trimaps/._Abyssinian_1.png": b"x"}, {}
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for number in range(1, 25):
        stem = f"Abyssinian_{number}"
        trimap = RNG.integers(1, 4, (12, 16), np.uint8)
        kind = "png" if number == 24 else "jpeg"  # some files are not what their name says
        images[f"images/{stem}.jpg"] = encoded(noise(12, 16, 3), kind)
        notes[f"annotations/trimaps/{stem}.png"] = encoded(trimap, "png")
        lists["test" if number % 2 else "trainval"].append(f"{stem} 1 1 1")
        expected[stem] = np.array([9, 1, 0, 3], np.uint8)[trimap]
    images["images/Abyssinian_100.mat"] = b"x"
    for name, lines in lists.items():
        notes[f"annotations/{name}.txt"] = ("\n".join(lines) + "\n").encode()
    notes["annotations/list.txt"] = b"#Image CLASS-ID SPECIES BREED ID\n"
    return {"images.tar.gz": tarred(images), "annotations.tar.gz": tarred(notes)}, expected


def vessels() -> tuple[dict[str, bytes], Masks]:
    members, expected = {}, {}
    for child in range(1, 15):
        for eye in "LR":
            stem = f"Image_{child:02}{eye}"
            drawn = RNG.integers(0, 2, (12, 16)).astype(bool)
            members[f"{stem}.jpg"] = encoded(noise(12, 16, 3), "jpeg")
            members[f"{stem}_1stHO.png"] = encoded(drawn, "png")  # one bit a pixel
            members[f"{stem}_2ndHO.png"] = encoded(~drawn, "png")
            expected[stem] = drawn.astype(np.uint8)
    return {"CHASEDB1.zip": zipped(members)}, expected


def vessels_drive() -> tuple[dict[str, bytes], Masks]:
    members, expected = {}, {}
    for number in range(21, 41):
        drawn = RNG.integers(0, 2, (12, 16), np.uint8)
        members[f"training/images/{number}_training.tif"] = encoded(noise(12, 16, 3), "tif")
        members[f"training/1st_manual/{number}_manual1.gif"] = encoded(drawn * np.uint8(255), "gif")
        members[f"training/mask/{number}_training_mask.gif"] = encoded(drawn, "gif")
        expected[str(number)] = drawn
    return {"training.zip": zipped(members)}, expected


def polyps() -> tuple[dict[str, bytes], Masks]:
    members, expected = {"Kvasir-SEG/kavsir_bboxes.json": b"{}"}, {}
    for number in range(6):
        mask = np.zeros((32, 40), np.uint8)
        mask[8:24, 8 + number : 30] = 255
        colour = np.repeat(mask[..., None], 3, axis=2)
        members[f"Kvasir-SEG/images/cju{number}.jpg"] = encoded(noise(32, 40, 3), "jpeg")
        members[f"Kvasir-SEG/masks/cju{number}.jpg"] = encoded(colour, "jpeg", quality=85)
        expected[f"cju{number}"] = (mask > 0).astype(np.uint8)
    return {"kvasir-seg.zip": zipped(members)}, expected


RELEASES: dict[str, Callable[[], tuple[dict[str, bytes], Masks]]] = {
    "membranes": membranes,
    "nuclei": nuclei,
    "blood": blood,
    "streets": streets,
    "pets": pets,
    "vessels": vessels,
    "polyps": polyps,
    "nuclei-all": nuclei_all,
    "nuclei-bbbc039": nuclei_bbbc039,
    "u373": lambda: tracking("PhC-C2DH-U373"),
    "hela": lambda: tracking("DIC-C2DH-HeLa"),
    "vessels-drive": vessels_drive,
}


# --- the server -----------------------------------------------------------------------------------


class Server:
    """Hands out files on the loopback; `behaviour` of a path may be other than to hand it out."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.files: Files = {}
        self.behaviour: dict[str, str] = {}
        self.asked: list[str] = []

    def offer(self, name: str, content: bytes, behaviour: str = "") -> str:
        self.files[f"/{name}"], self.behaviour[f"/{name}"] = content, behaviour
        return f"{self.address}/{name}"


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            known = server.behaviour.get(self.path) == ""
            self.send_response(200 if known else 404)
            if known:
                self.send_header("Content-Length", str(len(server.files[self.path])))
            self.end_headers()

        def do_GET(self) -> None:
            server.asked.append(self.path)
            behaviour = server.behaviour.get(self.path, "404")
            content = server.files.get(self.path, b"")
            if behaviour.startswith("cut") and server.asked.count(self.path) > 1:
                behaviour = "" if behaviour == "cut once" else "cut"
            if behaviour == "404":
                self.send_error(404)
                return
            if behaviour.startswith("to "):
                self.send_response(302)
                self.send_header("Location", behaviour[3:])
                self.end_headers()
                return
            if behaviour == "mute":
                time.sleep(1.5)
                return
            self.send_response(200)
            if behaviour != "endless":
                length = 10**15 if behaviour == "huge" else len(content)
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.hand_out(content, behaviour)

        def hand_out(self, content: bytes, behaviour: str) -> None:
            with contextlib.suppress(OSError):
                if behaviour == "endless":
                    for _ in range(2000):
                        self.wfile.write(b"\0" * 65536)
                half = len(content) // 2
                self.wfile.write(
                    content[:half] if behaviour.startswith(("cut", "slow")) else content
                )
                if behaviour == "slow":
                    self.wfile.flush()
                    time.sleep(1.5)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server = Server(http.server_port)
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
