"""Grading: a submission's code runs contained, our checks run outside, nbgrader keeps the marks."""
