"""Checks of data as pure functions: frames in, findings and a verdict out. What runs when, and what it stops, is `defs/checks.py`'s business."""
