from __future__ import annotations

import re
import urllib.parse
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes

from aaetools.reports import figures


def draw_text(text: str) -> str:
    def draw(ax: Axes) -> None:
        ax.plot([1, 2], [3, 4])
        ax.set_title(text)

    return figures.draw_svg(draw, 3, 2)


def test_svg_is_the_same_each_time_and_names_no_date_or_maker() -> None:
    svg = draw_text("title")
    assert svg == draw_text("title")
    assert "metadata" not in svg
    assert "<!--" not in svg


def test_the_readers_own_settings_do_not_change_a_figure() -> None:
    expected = draw_text("title")
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "lines.linewidth": 9, "text.usetex": True}):
        assert draw_text("title") == expected
        assert mpl.rcParams["font.size"] == 30


def test_style_leaves_global_settings_as_they_were() -> None:
    before = dict(mpl.rcParams)
    with figures.style():
        assert mpl.rcParams["axes.grid"] is True
    assert dict(mpl.rcParams) == before


def test_every_ink_has_a_dark_counterpart_in_the_svg() -> None:
    svg = draw_text("title")
    for light in (figures.INK, figures.MUTED, figures.GRID, figures.PAPER):
        assert f"fill: {light}" in svg
        assert f"stroke: {light}" in svg
    assert "prefers-color-scheme:dark" in svg


@pytest.mark.parametrize("title", ["漢字", "\N{MELTING FACE}", '<b> & "quotes" -- ]]>'])
def test_text_without_glyphs_stays_text_and_the_svg_well_formed(title: str) -> None:
    svg = draw_text(title)
    ElementTree.fromstring(svg)
    assert ("<text" in svg) is not title.isascii()


def test_data_uri_survives_the_way_back_and_has_nothing_to_end_an_attribute() -> None:
    svg = draw_text("100% # <x> 'y' \"z\"")
    uri = figures.svg_data_uri(svg)
    assert not set(uri) & set("\"'<>&#\n")
    assert urllib.parse.unquote(uri.removeprefix("data:image/svg+xml,")) == svg.replace("\n", " ")
    ElementTree.fromstring(urllib.parse.unquote(uri.removeprefix("data:image/svg+xml,")))


def test_size_is_in_css_pixels() -> None:
    width, height = figures.svg_size(draw_text("t"))
    # Three inches are 288 CSS pixels; the margins are cut to what is drawn.
    assert 250 < width <= 300
    assert 150 < height <= 200


def test_coordinates_are_rounded_and_scales_are_not() -> None:
    svg = draw_text("title")
    paths = re.findall(r' d="([^"]*)"', svg)
    assert paths
    assert not any(re.search(r"\.\d{3}", path) for path in paths)
    assert "scale(0.015625)" in svg  # of the font's outlines
