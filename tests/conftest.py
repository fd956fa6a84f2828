"""Settings of all tests; this folder is also where `builders` is imported from."""

from hypothesis import settings

# The same examples on every machine, and no verdict from the wall clock: the cores are shared.
settings.register_profile("course", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("course")


def pytest_terminal_summary(terminalreporter):
    """Tell how many typical wrong answers the checks of the exercises reject."""
    reports = [r for each in ("passed", "failed") for r in terminalreporter.getreports(each)]
    found = [n for r in reports for name, n in r.user_properties if name == "wrong answers"]
    if found:
        killed, all_of_them = (sum(each) for each in zip(*found, strict=True))
        terminalreporter.write_line(
            f"checks of exercises: {killed} of {all_of_them} wrong answers rejected, each with a "
            f"message of its own: kill rate {killed / all_of_them:.0%}"
        )
