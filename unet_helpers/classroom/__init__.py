"""The classroom: running the series, working copies, stated targets, exercise checks."""
