"""The page that `unet_helpers app` serves, in a real browser: an image in, a mask out."""

import io
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from unet_helpers import keras, predict, to_mask
from unet_helpers.data.cells import draw_field

pytestmark = pytest.mark.browser


@pytest.fixture
def model(tmp_path):
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    made = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full(layer.kernel.shape, -20 / 3), np.array([12.0])])
    made.save(tmp_path / "model.keras")
    return made


def listen_to_ctrl_c():
    """Undo what a job in the background of a script inherits: it ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def address(model, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "unet_helpers", "app", str(tmp_path), "--no-browser"]
    log = tmp_path / "log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [*command, "--port", str(port)], stdout=said, stderr=said, preexec_fn=listen_to_ctrl_c
        )
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(30) == 0, log.read_text()
        finally:
            server.kill()


def opened(browser, address):
    page = browser.new_page()
    for _ in range(60):
        try:
            page.goto(address, timeout=60_000)
            return page
        except Exception:
            page.wait_for_timeout(500)
    return pytest.fail("the page did not come up")


def test_an_image_is_uploaded_segmented_and_its_mask_downloaded(browser, address, model, tmp_path):
    page = opened(browser, address)
    page.get_by_text("Choose an image file").wait_for(timeout=120_000)
    image, _, _ = draw_field(0, 0, size=200)
    Image.fromarray(image).save(tmp_path / "my cells.png")
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Your image").click()
    choosing.value.set_files(str(tmp_path / "my cells.png"))
    page.get_by_text("my cells.png").wait_for(timeout=60_000)
    with page.expect_download() as waiting:
        page.get_by_text("mask (PNG)").click()
    assert waiting.value.suggested_filename == "my cells_mask.png"
    mask = np.asarray(Image.open(io.BytesIO(waiting.value.path().read_bytes())))
    expected = to_mask(predict(model, image.astype(np.float32) / 255)) * 255
    np.testing.assert_array_equal(mask, expected)
    page.screenshot(path=str(tmp_path / "app.png"))
