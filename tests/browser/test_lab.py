"""What a learner meets in JupyterLab."""

import urllib.error
import urllib.request

import pytest

pytestmark = pytest.mark.browser


def test_it_wants_its_token(lab):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{lab.address}/api/contents", timeout=10)
    refused.value.close()
    assert refused.value.code == 403


def test_it_starts_with_the_first_notebook_and_no_notices(lab, page):
    if not (lab.root / "work" / "00_start_here.ipynb").exists():
        pytest.skip("there is no notebook 00_start_here.ipynb yet")
    page.goto(f"{lab.address}/?token={lab.token}")
    page.get_by_role("tab", name="00_start_here.ipynb").wait_for()
    page.wait_for_timeout(2000)
    assert page.locator(".Toastify__toast").all_inner_texts() == []
    assert page.locator(".jp-Dialog").count() == 0


def test_the_first_notebook_runs_from_the_top(open_notebook, run_all):
    page = open_notebook("00_start_here.ipynb")
    run_all()
    # JupyterLab keeps cells that are out of sight out of the page, so only the bottom is asked.
    last = page.locator(".jp-CodeCell").last
    assert "[ ]" not in last.locator(".jp-InputPrompt").inner_text()
    assert page.get_by_text("Error displaying widget").count() == 0
