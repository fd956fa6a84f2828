"""Each notebook's widgets answer to the keyboard: another picture, another caption."""

import pytest

pytestmark = pytest.mark.browser

# Notebook, heading-like text near the widget, whether its first slider changes the caption.
WIDGETS = [
    ("01_data_loading.ipynb", "sample", True),
    ("01_data_loading.ipynb", "orientation", True),
    ("02_model_definition.ipynb", "depth", True),
    ("00_start_here.ipynb", "image", False),
    ("04_evaluation.ipynb", "threshold", True),
]


def scroll_to_slider(page, label):
    """Bring a slider into view: JupyterLab takes cells far out of sight out of the page."""
    notebook = page.locator(".jp-WindowedPanel-outer").first
    notebook.evaluate("panel => panel.scrollTo(0, 0)")
    slider = page.locator(".widget-slider", has=page.get_by_text(label, exact=True))
    for _ in range(120):
        if slider.count():
            slider.first.scroll_into_view_if_needed()
            return slider.first
        notebook.evaluate("panel => panel.scrollBy(0, 500)")
        page.wait_for_timeout(150)
    pytest.fail(f"no slider {label!r} came into view")


@pytest.mark.parametrize(("notebook", "label", "tells"), WIDGETS)
def test_a_slider_changes_the_picture(open_notebook, run_all, notebook, label, tells):
    page = open_notebook(notebook)
    run_all()
    slider = scroll_to_slider(page, label)
    # Its own: another widget further down may have a slider of the same name.
    panel = slider.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
    picture = panel.locator(".widget-image")
    before, caption = picture.get_attribute("src"), panel.inner_text()
    handle = slider.locator(".noUi-handle")
    handle.focus()
    for _ in range(2):
        handle.press("ArrowRight")
    page.wait_for_function(
        "([image, old]) => image.src !== old", arg=[picture.element_handle(), before]
    )
    page.wait_for_timeout(500)
    if tells:
        assert panel.inner_text() != caption


def test_the_live_figure_is_there_after_training(open_notebook, run_all):
    page = open_notebook("03_training.ipynb")
    run_all()
    notebook = page.locator(".jp-WindowedPanel-outer").first
    live = page.locator("img[src^='data:image/png']")
    seen = 0
    notebook.evaluate("panel => panel.scrollTo(0, 0)")
    for _ in range(120):
        seen = max(seen, live.count())
        notebook.evaluate("panel => panel.scrollBy(0, 400)")
        page.wait_for_timeout(50)
    assert seen > 0
