"""A real JupyterLab as `make lab` starts it, and a real browser."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from unet_helpers.classroom.lab import lab_command, lab_environment
from unet_helpers.classroom.working_copies import refresh

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
TOKEN = "a-token-for-the-tests"


class Lab:
    """A running JupyterLab: its address, its token and the folder it serves."""

    token = TOKEN

    def __init__(self, address, root):
        self.address, self.root = address, root

    def url(self, name):
        """The page that shows one working copy alone."""
        return f"{self.address}/doc/tree/work/{name}?token={self.token}"


@pytest.fixture(scope="session")
def chromium_path():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine; install it to run the browser tests")
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory, chromium_path):
    """JupyterLab on working copies of the committed notebooks, in a folder of its own."""
    root = tmp_path_factory.mktemp("course")
    refresh(NOTEBOOKS, root / "work")
    (root / "benchmarks").symlink_to(ROOT / "benchmarks")  # stored results, which notebooks show
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = root / "lab.log"
    with log.open("w") as output:
        command = lab_command(root / "work", browser=False, port=port)
        server = subprocess.Popen(command, env=isolated(root), stdout=output, stderr=output)
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", server, log)
            yield Lab(f"http://127.0.0.1:{port}", root)
        finally:
            server.terminate()
            server.wait(20)


def isolated(root):
    """Environment variables that keep this user's own Jupyter settings out, and a known token."""
    kinds = {"JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"}
    kinds |= {"JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"}
    folders = {kind: str(root / ".jupyter" / kind.lower()) for kind in kinds}
    return {**lab_environment(root / "work"), **folders, "JUPYTER_TOKEN": TOKEN}


def wait_until_it_answers(address, server, log, seconds=60):
    for _ in range(seconds * 2):
        try:
            with urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=2):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not answer within {seconds} s: {log.read_text()}")


@pytest.fixture(scope="session")
def browser(chromium_path):
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox, and little shared memory.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=chromium_path, args=arguments)
        # A busy machine takes longer than the usual 5 s to connect a kernel.
        api.expect.set_options(timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page; an error in its scripts fails the test at its end."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def open_notebook(lab, page):
    """Open one working copy and wait for its kernel; gives the page."""
    from playwright.sync_api import expect

    def open_(name):
        if not (lab.root / "work" / name).exists():
            pytest.skip(f"there is no notebook {name} yet")
        page.goto(lab.url(name))
        page.locator(".jp-Notebook").wait_for()
        # The status bar tells the truth. The cell indicator says idle before the kernel is
        # connected, and "Run All Cells" is then dropped without a word.
        expect(page.get_by_text("| Idle")).to_be_visible()
        return page

    return open_


@pytest.fixture
def run_all(page, lab):
    """Run all cells of the open notebook and wait for the last; fails if one raises."""
    from playwright.sync_api import expect

    def run():
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        expect(page.get_by_text(re.compile(r"\| Busy"))).to_be_visible()
        path = lab.root / "work" / page.url.partition("?")[0].rpartition("/")[2]
        until = time.monotonic() + 900
        while True:  # a busy page rests between two cells, too
            wait_until_it_rests(page)
            cells = saved_cells(page, path)
            outputs = [output for cell in cells for output in cell["outputs"]]
            assert [o for o in outputs if o["output_type"] == "error"] == []
            if all(cell["execution_count"] for cell in cells):
                return
            assert time.monotonic() < until, f"{path.name} did not come to its end"

    return run


def saved_cells(page, path):
    """Save the open notebook; its code cells. The page shows an error only once scrolled to it."""
    before, until = path.stat().st_mtime_ns, time.monotonic() + 60
    page.keyboard.press("Control+s")
    while path.stat().st_mtime_ns == before:
        assert time.monotonic() < until, f"{path.name} was not saved"
        page.wait_for_timeout(200)
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def wait_until_it_rests(page, timeout=900, rest=3.0):
    """Wait until the kernel has been idle for some seconds; between two cells it is, for less."""
    idle, since = page.get_by_text("| Idle"), None
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        since = (since or time.monotonic()) if idle.is_visible() else None
        if since and time.monotonic() - since > rest:
            return
        page.wait_for_timeout(200)
    pytest.fail(f"the notebook did not come to its end within {timeout} s")
