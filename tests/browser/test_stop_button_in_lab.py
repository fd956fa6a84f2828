"""The live figure's button stops a training while the kernel is busy with it."""

import re

import nbformat
import pytest

pytestmark = pytest.mark.browser

CELL = """
from unet_helpers import BceDice, LiveFigure, batches, load, unet

samples = load("cells")[:4].binary()
model = unet((None, None, 3), filters=4, depth=1)
model.compile("adam", BceDice())
log = model.fit(
    batches(samples, size=64, batch_size=2), steps_per_epoch=50, epochs=100_000, verbose=0,
    shuffle=False, callbacks=[LiveFigure(samples[0])],
).history
print("epochs run:", len(log["loss"]))
"""


def test_a_click_stops_the_training(lab, open_notebook, page):
    from playwright.sync_api import expect

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)], metadata=kernel)
    nbformat.write(notebook, lab.root / "work" / "stop.ipynb")
    open_notebook("stop.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    picture = page.locator("img[src^='data:image/png']")
    picture.wait_for()
    first = picture.get_attribute("src")
    page.wait_for_function(
        "([image, old]) => image.isConnected ? image.src !== old : true",
        arg=[picture.element_handle(), first],
    )
    expect(page.get_by_text(re.compile(r"epoch \d+ of 100000.*left"))).to_be_visible()
    page.get_by_role("button", name="Stop training").click()
    expect(page.get_by_text(re.compile(r"epochs run: \d"))).to_be_visible(timeout=20_000)
    expect(page.get_by_text("| Idle")).to_be_visible()
    # The button is gone, the last figure has stayed.
    expect(page.get_by_role("button", name="Stop training")).to_have_count(0)
    assert picture.count() == 1
    assert page.get_by_text("Error displaying widget").count() == 0
