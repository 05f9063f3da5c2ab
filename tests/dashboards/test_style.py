"""Colours that the colour-blind tell apart, of a lightness that stands on both grounds; and numbers that do not say minus nought."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from dashboards import tables
from dashboards.charts.day import _reached
from dashboards.charts.style import BLUE, GREY, ORANGE, VIOLET

# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", severity 1.0, linear RGB.
SEEN = {
    "as most see": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ @ np.ones(3)


def linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b*, in which a distance of about 2 is just seen."""
    t = (TO_XYZ @ light.clip(0, 1)) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", SEEN)
def test_gain_and_loss_are_told_apart_by_every_eye(eyes: str) -> None:
    seen = {name: lab(SEEN[eyes] @ linear(name)) for name in (BLUE, ORANGE, GREY)}
    apart = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    assert min(apart.values()) > 20, apart


@pytest.mark.parametrize("colour", [BLUE, ORANGE, GREY, VIOLET])
def test_a_colour_stands_on_white_and_on_the_dark_ground(colour: str) -> None:
    shine = [float((TO_XYZ @ linear(c))[1]) for c in (colour, "#ffffff", "#0f141b")]
    for ground in shine[1:]:
        contrast = (max(shine[0], ground) + 0.05) / (min(shine[0], ground) + 0.05)
        assert contrast >= 3.0, "WCAG 2.2, 1.4.11: graphical objects"


def test_nought_in_the_digits_shown_has_no_sign() -> None:
    frame = pl.DataFrame({"r": [-0.004, -0.006, None, 0.004], "net": [-0.0049, -0.0051, 1.0, None], "count": [-1, 0, 1, 2]})
    shown = tables._unsigned(frame, {"r": tables.number("R"), "net": tables.dollars("net"), "count": "n"})
    assert shown["r"].to_list() == [0.0, -0.006, None, 0.004]
    assert shown["net"].to_list() == [0.0, -0.0051, 1.0, None]
    assert shown["count"].to_list() == frame["count"].to_list()


def test_a_stop_far_from_the_prices_stands_at_the_edge_with_the_way_to_it() -> None:
    minutes = pl.DataFrame({"low": [99.0], "high": [101.0], "close": [100.0]})
    levels = pl.DataFrame(
        {"price": [98.0, 110.0, 95.0], "name": ["entry", "target", "stop"], "label": ["entry 98.00", "target 110.00", "stop 95.00"]}
    )
    near, above, below = _reached(levels, minutes)
    assert near["label"].to_list() == ["entry 98.00"]
    assert above["label"].to_list() == ["↑ target 110.00 (+10.0 %)"]
    assert below["label"].to_list() == ["↓ stop 95.00 (-5.0 %)"]
