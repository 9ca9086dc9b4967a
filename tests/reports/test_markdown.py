"""Markdown says what the page says, and nothing in the data becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aaetools.analysis import compare
from aaetools.analysis.results import Analysis
from aaetools.reports import render_comparison_markdown, render_markdown, text
from aaetools.reports.blocks import Chapter, Figure, Listing, Note, Row, Table
from aaetools.reports.html import page_of
from aaetools.reports.markdown import escape, write_markdown
from aaetools.reports.page import Page

PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


class Shown(HTMLParser):
    """Tags and text of rendered Markdown."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(PARSER.render(source))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def words(source: str) -> str:
    return " ".join(source.split())


HARMLESS = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "code", "ol", "ul", "li"}


def page_with(*blocks: Figure | Listing | Note | Row | Table, title: str = "t") -> Page:
    return Page("kind", title, "done", (), (), (Chapter("c", "chapter", "verdict", blocks),), "0.1.0", "2025")


@given(st.text(max_size=40))
def test_any_text_is_shown_as_it_is(string: str) -> None:
    shown = Shown(escape(string))
    assert set(shown.tags) <= {"p"}
    assert words(shown.text) == words(text.clean(string))


@given(st.text(alphabet="|\\`*_[]<>#-+=~1. )(&:!\n", max_size=16))
def test_any_text_is_one_cell(string: str) -> None:
    source = write_markdown(page_with(Table("caption", ("name", "value"), ((string, "last"),))))
    shown = Shown(source)
    assert shown.tags.count("td") == 2
    assert set(shown.tags) <= HARMLESS
    assert words(text.clean(string)) in words(shown.text)


@pytest.mark.parametrize("start", ["# no", "- no", "+ no", "1. no", "1) no", "> no", "=== no", "--- ", "    code"])
def test_no_line_starts_a_block(start: str) -> None:
    assert Shown(escape(start)).tags == ["p"]


def test_every_table_and_word_of_the_page_is_there(make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(n_rows=400)
    page, shown = page_of(analysis), Shown(render_markdown(analysis))
    assert set(shown.tags) <= HARMLESS

    def look(blocks: object) -> int:
        found = 0
        for block in blocks:  # type: ignore[attr-defined]
            if isinstance(block, Table):
                found += 1
                for row in block.rows:
                    assert all(words(cell) in words(shown.text) for cell in row)
            elif hasattr(block, "blocks"):
                found += look(block.blocks)
            elif isinstance(block, Figure):
                assert words(block.alt) in words(shown.text)
            elif isinstance(block, Note):
                assert words(block.text) in words(shown.text)
        return found

    n_tables = sum(look(chapter.blocks) for chapter in page.chapters)
    assert shown.tags.count("table") == n_tables + 1  # and the answers
    for answer in page.answers:
        assert words(f"{answer.value} {answer.sentence}") in words(shown.text)
        assert words(answer.rule) in words(shown.text)


def test_hostile_strings_are_text(hostile_analysis: Analysis) -> None:
    for source in (
        render_markdown(hostile_analysis),
        render_comparison_markdown(
            compare([hostile_analysis] * 2, ["<img src=x>", "`|`"], n_bootstrap=20), [hostile_analysis] * 2
        ),
    ):
        shown = Shown(source)
        assert set(shown.tags) <= HARMLESS
        assert "<script>alert(1)</script>" in shown.text
        assert source.encode("utf-8")
        assert "\x00" not in source


def test_no_figure_is_drawn(make_analysis: Callable[..., Analysis], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaetools.reports.blocks.draw_svg", None)
    assert "*Figure: " in render_markdown(make_analysis(n_rows=400))


def test_numbers_stand_at_the_right() -> None:
    source = write_markdown(page_with(Table("caption", ("name", "n"), (("a", "1"), ("b", "20")))))
    assert "| --- | ---: |" in source
