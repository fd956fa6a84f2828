"""What several tests of large images begin with."""

from pathlib import Path

import pytest
import tifffile
from large_stores import HEIGHT, WIDTH, picture


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    """A grey image in compressed tiles, in a folder of its own."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "image.tif"
    tifffile.imwrite(path, picture(HEIGHT, WIDTH), tile=(48, 64), compression="zlib")
    return path
