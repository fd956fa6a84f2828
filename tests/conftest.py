"""Settings of all tests; this folder is also where `builders` is imported from."""

from hypothesis import settings

# The same examples on every machine, and no verdict from the wall clock: the cores are shared.
settings.register_profile("course", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("course")
