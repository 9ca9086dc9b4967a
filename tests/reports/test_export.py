"""Figures of a report as files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from PIL import Image

from aaetools.analysis.results import Analysis
from aaetools.exceptions import DataError
from aaetools.reports import figure_files, render

Make = Callable[..., Analysis]


def test_every_figure_of_the_page_is_a_file_with_a_telling_name(make_analysis: Make) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=100)
    files = dict(figure_files(analysis))
    assert len(files) == render(analysis).count("<img ")
    assert all(re.fullmatch(r"[a-z-]+\.svg", name) for name in files)
    assert {"accuracy.svg", "confusion.svg", "label-curves.svg", "prior-match.svg"} < set(files)
    assert all(content.startswith(b"<?xml") and b"dc:date" not in content for content in files.values())


@pytest.mark.slow
def test_kinds_are_what_they_say_and_the_same_each_time(make_analysis: Make) -> None:
    analysis = make_analysis(labels=False, n_rows=60, images=False, umap=False)
    files = list(figure_files(analysis, ["png", "pdf", "png"]))
    assert files == list(figure_files(analysis, ["png", "pdf"]))
    for name, content in files:
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            assert image.width > 900
            assert round(image.info["dpi"][0]) == 300
            assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
        else:
            assert content.startswith(b"%PDF")
            assert b"CreationDate" not in content


@pytest.mark.parametrize("kinds", [[], ["gif"], ["svg", "../x"]])
def test_other_kinds_are_refused_before_anything_is_drawn(make_analysis: Make, kinds: list[str]) -> None:
    with pytest.raises(DataError, match="svg, pdf, png"):
        figure_files(make_analysis(n_rows=60, images=False), kinds)
