"""The page in a real browser: headless Chromium, driven by Playwright."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image

from aaetools.analysis.results import Analysis
from aaetools.reports import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

pytestmark = pytest.mark.slow

Pages = Callable[[str], str]
Analyses = Callable[[str], Analysis]


@dataclass
class Opened:
    """A page, and everything that it did without being asked."""

    page: Page
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(message.text)

    def asked(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def requested(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)

    @property
    def status(self) -> str:
        return self.page.inner_text("#explorer-status")

    def eventually(self, check: Callable[[], bool]) -> bool:
        """Wait until a check holds, at most ten seconds; Playwright's own waiting would need a laxer content policy."""
        for _ in range(200):
            if check():
                return True
            self.page.wait_for_timeout(50)
        return False

    def facts(self) -> dict[str, str]:
        names = self.page.locator("#explorer-facts dt").all_inner_texts()
        return dict(zip(names, self.page.locator("#explorer-facts dd").all_inner_texts(), strict=True))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the data lies in the window."""
        self.page.locator("#explorer-map").scroll_into_view_if_needed()
        spot = self.page.evaluate(
            """([x, y]) => {
              const plot = Bokeh.documents[0].get_model_by_name("plot");
              const view = [...Bokeh.index].find(other => other.model === plot);
              const corner = view.canvas_view.el.getBoundingClientRect();
              return [corner.x + view.frame.x_scale.compute(x), corner.y + view.frame.y_scale.compute(y)];
            }""",
            [x, y],
        )
        return spot[0], spot[1]

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Drag the mouse along points of the data."""
        spots = [self.at(*point) for point in points]
        self.page.mouse.move(*spots[0])
        self.page.mouse.down()
        for spot in spots[1:]:
            self.page.mouse.move(*spot, steps=4)
        self.page.mouse.up()

    def drawn(self) -> list[int]:
        """Return which rows are drawn now."""
        return sorted(
            self.page.evaluate(
                """() => ["back", "front"].flatMap(
                  name => [...Bokeh.documents[0].get_model_by_name(name).view.filter.indices])"""
            )
        )

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column of the rows as they are drawn."""
        values = self.page.evaluate("name => [...Bokeh.documents[0].get_model_by_name('rows').data[name]]", name)
        return np.array(values)

    def download(self) -> list[dict[str, str]]:
        with self.page.expect_download() as waiting:
            self.page.click("#explorer-save")
        assert waiting.value.suggested_filename.endswith("-selected.csv")
        return list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"), newline="")))


Open = Callable[..., Opened]
VARIANTS = [
    "digits",
    "hostile",
    "fifty classes",
    "one latent dimension",
    "no labels",
    "comparison",
    "hostile comparison",
]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open HTML as a file in a window of its own; keyword arguments as of Playwright's `new_context`."""
    contexts = []

    def open_page(source: str, *, width: int = 1280, ready: bool = True, **options: Any) -> Opened:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(source, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("console", found.told)
        found.page.on("pageerror", lambda error: found.console.append(str(error)))
        found.page.on("dialog", found.asked)
        found.page.on("request", found.requested)
        found.page.goto(file.as_uri())
        if ready and 'id="explorer-app"' in source:
            found.page.wait_for_selector("#explorer-app[data-ready]", timeout=20_000)
        return found

    yield open_page
    for context in contexts:
        context.close()


# -- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_page_shows_everything_without_requests_errors_or_sideways_scrolling(
    page_of: Pages, opened: Open, variant: str
) -> None:
    found = opened(page_of(variant))
    for width in (1280, 400):
        found.page.set_viewport_size({"width": width, "height": 900})
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    state = found.page.evaluate(
        """() => ({
          broken: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
          images: document.images.length,
          injected: document.querySelectorAll("#injected, [onerror], [onload]").length,
          styled: getComputedStyle(document.querySelector(".answers")).display,
        })"""
    )
    assert state["images"] > 3
    assert (state["broken"], state["injected"], state["styled"]) == (0, 0, "grid")
    assert (len(found.requests), found.console, found.dialogs) == (1, [], [])  # the one request is for the page


def test_a_blocked_script_and_a_dialog_would_be_noticed(page_of: Pages, opened: Open) -> None:
    """The control: without it, an empty console would prove nothing."""
    source = page_of("three string classes").replace("<footer>", "<script>alert(1)</script><footer>")
    found = opened(source)
    assert any("Content Security Policy" in line for line in found.console)
    assert found.dialogs == []
    lax = opened(re.sub('<meta http-equiv="Content-Security-Policy".*?>', "", source))
    assert lax.dialogs == ["1"]


def test_a_changed_library_does_not_run_and_the_page_says_so(page_of: Pages, opened: Open) -> None:
    source = re.sub(r"script-src '[^']+' '[^']+'", lambda match: match[0].rsplit(" ", 1)[0], page_of("digits"))
    found = opened(source, ready=False)
    assert found.eventually(lambda: "could not be started" in found.page.inner_text("#explorer-instead"))
    assert found.page.is_visible("#explorer-instead")
    assert not found.page.is_visible("#explorer-app")
    assert found.page.is_visible("#latent img")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page_of: Pages, opened: Open, scheme: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = opened(page_of("digits"), color_scheme=scheme)
    found.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    results = Axe().run(found.page)
    bad = [rule for rule in results.response["violations"] if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in bad] == []
    assert len(results.response["passes"]) > 20


def test_without_scripts_all_words_and_figures_are_there(page_of: Pages, opened: Open) -> None:
    source = page_of("digits")
    bare = opened(source, ready=False, java_script_enabled=False)
    full = opened(source)
    # with scripts off the page cannot be asked by one, so look at what is visible
    sections = [section for section in re.findall(r'<section id="(\w+)"', source) if section != "explorer"]
    assert len(sections) > 8
    for section in sections:
        words = full.page.inner_text(f"#{section}")
        assert bare.page.inner_text(f"#{section}") == words
        assert bare.page.locator(f"#{section} img").count() == full.page.locator(f"#{section} img").count()
    assert bare.page.is_visible("#explorer-instead")
    assert not bare.page.is_visible("#explorer-app")
    assert not full.page.is_visible("#explorer-instead")
    assert bare.console == []


def pixels_of(shot: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("scheme", "ground", "ink"),
    [("light", (0xF4, 0xF5, 0xF8), "#1d2433"), ("dark", (0x10, 0x14, 0x1C), "#e8ebf2")],
)
def test_page_is_drawn_in_light_and_dark(
    page_of: Pages, opened: Open, scheme: Any, ground: tuple[int, ...], ink: str
) -> None:
    found = opened(page_of("digits"), color_scheme=scheme)
    assert tuple(pixels_of(found.page.screenshot())[2, 2]) == ground
    for drawn in ("#accuracy img", "#latent img", "#explorer-map"):  # figures are there, not only their frames
        pixels = pixels_of(found.page.locator(drawn).first.screenshot())
        assert (np.abs(pixels - [0x00, 0x78, 0xB4]).sum(axis=2) < 12).sum() > 50, drawn
    label = "Bokeh.documents[0].get_model_by_name('plot').below[0].axis_label_text_color"
    color = "() => { const spec = " + label + "; return spec.value ?? spec; }"
    assert found.page.evaluate(color) == ink
    # a reader may change his mind while the page is open
    found.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    assert found.eventually(lambda: found.page.evaluate(color) != ink)


def test_print_opens_what_is_folded(page_of: Pages, opened: Open) -> None:
    source = page_of("digits")
    sizes = []
    for text in (source, re.sub(r'<details class="more">.*?</details>', "", source, flags=re.DOTALL)):
        page = opened(text.replace("<details open>", "<details>"), ready=False).page
        sizes.append(len(page.pdf()))
    # All chapters were closed: their figures are in the file only if printing opened them.
    assert min(sizes) > 150_000
    assert sizes[0] > sizes[1]


def test_tab_reaches_every_control_and_shows_where_it_is(page_of: Pages, opened: Open) -> None:
    page = opened(page_of("digits")).page
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("#explorer-app :is(button, select, input, [tabindex='0'])")]
          .filter(control => !control.disabled && control.checkVisibility())
          .map(control => control.id || control.textContent)"""
    )
    assert len(wanted) > 25
    page.locator("#explorer summary").first.focus()
    reached = []
    for _ in range(len(wanted) + 5):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const at = document.activeElement, style = getComputedStyle(at);
              const { outlineStyle: outline, outlineWidth: wide } = style;
              return { name: at.id || at.textContent, outline, wide: parseFloat(wide) };
            }"""
        )
        assert found["outline"] != "none", found["name"]
        assert found["wide"] >= 2, found["name"]
        reached.append(found["name"])
    assert reached[: len(wanted)] == wanted


# -- the explorer ----------------------------------------------------------------------------------------------------


def test_box_selects_the_rows_inside_and_the_file_holds_them(
    page_of: Pages, analysis_of: Analyses, opened: Open
) -> None:
    found, rows = opened(page_of("digits")), analysis_of("digits").tables.rows
    found.page.click("#explorer-box")
    found.drag([(2.0, -2.0), (4.6, 0.35)])
    x, y = rows["latent_x"], rows["latent_y"]

    def within(margin: float) -> set[int]:
        return set(rows["row"][(x > 2 - margin) & (x < 4.6 + margin) & (y > -2 - margin) & (y < 0.35 + margin)])

    taken = found.download()
    assert found.status == f"{len(taken)} of 1,797 selected."
    # a pixel is about 0.02 wide: rows that close to the edge may be on either side of it
    chosen = {int(row["row"]) for row in taken}
    assert len(chosen) > 50
    assert within(-0.05) <= chosen <= within(0.05)
    for row in taken:
        true = rows[rows["row"] == int(row["row"])].iloc[0]
        assert row["split"] == true["split"]
        assert row["label_pred"] == true["label_pred"]
        assert row["label_given"] == (true["label_given"] or "")
        assert int(row["cluster"]) == true["cluster"]
        assert float(row["confidence"]) == pytest.approx(true["confidence"], abs=2e-4)


def test_lasso_selects_what_it_encloses(page_of: Pages, analysis_of: Analyses, opened: Open) -> None:
    found, rows = opened(page_of("digits")), analysis_of("digits").tables.rows
    corners = [(-6.0, -2.0), (-1.0, 5.5), (-0.5, -4.0)]
    found.page.click("#explorer-lasso")
    found.drag([*corners, corners[0]])
    where = rows[["latent_x", "latent_y"]].to_numpy(float)
    wide, narrow = (Outline(corners).contains_points(where, radius=r) for r in (0.1, -0.1))
    if wide.sum() < narrow.sum():  # the sign of matplotlib's radius depends on the direction of the outline
        wide, narrow = narrow, wide
    chosen = {int(row["row"]) for row in found.download()}
    assert len(chosen) > 100
    assert set(rows["row"][narrow]) <= chosen <= set(rows["row"][wide])
    found.page.click("#explorer-clear")
    assert found.status == "No row of 1,797 is selected."
    assert found.page.is_disabled("#explorer-save")


def test_keyboard_alone_selects_by_label_or_id_and_walks_through_rows(
    page_of: Pages, analysis_of: Analyses, opened: Open
) -> None:
    found, rows = opened(page_of("digits")), analysis_of("digits").tables.rows
    page = found.page
    page.focus("#explorer-query")
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    assert found.status == "Found by row id: 1 of 1,797 selected."
    assert found.facts()["Row"] == "1234"
    assert found.facts()["Prediction"] == rows["label_pred"][1234]
    analysis = analysis_of("three string classes")
    found = opened(page_of("three string classes"))
    for query, label in (("VIRGINICA", "virginica"), ("setos", "setosa")):
        found.page.fill("#explorer-query", query)
        found.page.press("#explorer-query", "Enter")
        table = analysis.tables.rows
        hits = table[(table[["label_given", "label_true", "label_pred"]] == label).any(axis=1)]
        assert f"{len(hits)} of 150 selected." in found.status
        assert {int(row["row"]) for row in found.download()} == set(hits["row"])
    first = found.facts()["Row"]
    found.page.focus("#explorer-next")
    found.page.keyboard.press("Enter")
    assert found.facts()["Row"] == str(sorted(hits["row"])[1]) != first
    found.page.fill("#explorer-query", "nowhere")
    found.page.press("#explorer-query", "Enter")
    assert found.status == "Nothing found. No row of 150 is selected."


def test_legend_switches_classes_off_and_leaves_one_alone(page_of: Pages, analysis_of: Analyses, opened: Open) -> None:
    found, rows = opened(page_of("digits")), analysis_of("digits").tables.rows
    found.page.select_option("#explorer-color", "label_pred")
    assert found.page.inner_text("#explorer-legend-title") == "Prediction"
    entry = found.page.locator("#explorer-legend .entry", has_text="3").first
    assert entry.get_attribute("aria-pressed") == "true"
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false"
    assert found.drawn() == rows.index[rows["label_pred"] != "3"].tolist()
    found.page.get_by_role("button", name="only 7").click()
    assert found.drawn() == rows.index[rows["label_pred"] == "7"].tolist()
    found.page.select_option("#explorer-split", "holdout")
    assert found.drawn() == rows.index[(rows["label_pred"] == "7") & (rows["split"] == "holdout")].tolist()
    found.page.click("#explorer-all")
    assert found.drawn() == rows.index[rows["split"] == "holdout"].tolist()


def test_colours_and_axes_are_those_that_were_chosen(opened: Open, make_analysis: Callable[..., Analysis]) -> None:
    analysis = make_analysis(n_rows=300, n_dims=4, images=False, baselines=False)
    rows = analysis.tables.rows
    found = opened(render(analysis))

    def shown(first: str, second: str) -> None:
        for end, name in (("x", first), ("y", second)):
            values = rows[name].to_numpy(float)
            np.testing.assert_allclose(found.column(end), values, atol=1e-3 * np.ptp(values))

    shown("latent_x", "latent_y")
    assert not found.page.is_visible("#explorer-x")
    found.page.select_option("#explorer-view", "umap")
    shown("umap_x", "umap_y")
    assert found.page.is_disabled("#explorer-prior")
    found.page.select_option("#explorer-view", "axes")
    shown("z0", "z1")
    found.page.select_option("#explorer-x", label="z3")
    found.page.select_option("#explorer-y", label="z0")
    shown("z3", "z0")
    found.page.check("#explorer-prior")
    prior = "Bokeh.documents[0].get_model_by_name('prior rows').data.x.length"
    assert found.page.evaluate(prior) == len(analysis.tables.prior_samples) == 1000
    assert found.page.evaluate("Bokeh.documents[0].get_model_by_name('prior').visible")

    # one colour for each cluster, and a scale that rises with the error
    found.page.select_option("#explorer-color", "cluster")
    colors = found.column("color")
    assert len({(c, k) for c, k in zip(colors, rows["cluster"], strict=True)}) == rows["cluster"].nunique()
    found.page.select_option("#explorer-color", "reconstruction_error")
    assert "left 0" in found.page.inner_text("#explorer-legend")
    green = (found.column("color").astype(np.int64) >> 16) & 255
    errors = rows["reconstruction_error"].to_numpy()
    assert np.corrcoef(np.argsort(np.argsort(errors)), green)[0, 1] > 0.9
    for coloring in ("label_given", "label_true", "suspicion", "confidence"):
        found.page.select_option("#explorer-color", coloring)
    assert found.console == []


def test_pointing_at_a_row_shows_what_is_known_of_it(page_of: Pages, analysis_of: Analyses, opened: Open) -> None:
    analysis, found = analysis_of("digits"), opened(page_of("digits"))
    rows, previews = analysis.tables.rows, analysis.tables.previews
    assert previews is not None
    assert previews.thumbnails is not None
    far = rows["latent_x"] ** 2 + rows["latent_y"] ** 2
    alone = int(rows.loc[previews.rows, :].assign(far=far)["far"].idxmax())  # at the rim nothing lies beside it
    found.page.mouse.move(*found.at(rows["latent_x"][alone], rows["latent_y"][alone]))
    assert found.eventually(lambda: found.facts()["Row"] == str(alone))
    facts = found.facts()
    assert facts["Prediction"] == rows["label_pred"][alone]
    assert facts["Cluster"].startswith(str(rows["cluster"][alone]) if rows["cluster"][alone] >= 0 else "none")
    assert facts["Confidence"] == f"{100 * rows['confidence'][alone]:.1f}%"
    # its thumbnail, and not another one
    pixels = found.page.evaluate(
        """() => [...document.querySelector("#explorer-picture").getContext("2d").getImageData(0, 0, 96, 96).data]"""
    )
    shown = np.array(pixels).reshape(96, 96, 4)[6::12, 6::12, 0]
    thumbnail = previews.thumbnails[int(np.flatnonzero(previews.rows == alone)[0])]
    np.testing.assert_array_equal(shown, thumbnail)


def test_dragging_keys_and_buttons_move_the_map(page_of: Pages, opened: Open) -> None:
    found = opened(page_of("digits"))
    span = """() => { const { x_range: x, y_range: y } = Bokeh.documents[0].get_model_by_name("plot");
      return [x.start, x.end, y.start, y.end]; }"""
    found.page.click("#explorer-reset")
    start = np.array(found.page.evaluate(span))
    assert (start[1] - start[0]) > 10
    found.drag([(0.0, 0.0), (1.0, 1.0)])
    panned = np.array(found.page.evaluate(span))
    np.testing.assert_allclose(panned - start, -1.0, atol=0.1)
    found.page.click("#explorer-reset")
    np.testing.assert_allclose(found.page.evaluate(span), start)
    found.page.focus("#explorer-map")
    found.page.keyboard.press("ArrowRight")
    assert found.page.evaluate(span)[0] > start[0] + 0.5
    found.page.keyboard.press("0")
    found.page.keyboard.press("+")
    zoomed = np.array(found.page.evaluate(span))
    np.testing.assert_allclose(zoomed[1] - zoomed[0], 0.8 * (start[1] - start[0]))
    found.page.click("#explorer-out")
    assert np.ptp(found.page.evaluate(span)[:2]) > np.ptp(zoomed[:2])


def test_the_wheel_scrolls_the_page_until_the_map_is_clicked(page_of: Pages, opened: Open) -> None:
    found = opened(page_of("digits"))
    width = """() => { const { x_range: x } = Bokeh.documents[0].get_model_by_name("plot"); return x.end - x.start; }"""
    before, spot = found.page.evaluate(width), found.at(0.0, 0.0)
    top = found.page.evaluate("scrollY")
    found.page.mouse.move(*spot)
    found.page.mouse.wheel(0, -120)
    assert found.eventually(lambda: found.page.evaluate("scrollY") < top)
    assert found.page.evaluate(width) == before
    found.page.wait_for_timeout(500)  # scrolling is smooth
    found.page.mouse.click(*found.at(0.0, 0.0))
    top = found.page.evaluate("scrollY")
    found.page.mouse.wheel(0, -120)
    assert found.eventually(lambda: found.page.evaluate(width) < before)
    assert found.page.evaluate("scrollY") == top


def test_hostile_labels_and_ids_are_text_in_the_page_and_no_formulas_in_the_file(page_of: Pages, opened: Open) -> None:
    found = opened(page_of("hostile"))
    found.page.fill("#explorer-query", "=cmd|' /C calc'!A0")
    found.page.press("#explorer-query", "Enter")
    assert found.facts()["Row"] == "=cmd|' /C calc'!A0"
    taken = found.download()
    assert {row["row"] for row in taken} == {"'=cmd|' /C calc'!A0"}
    assert not any(re.match("[=+\\-@\t\r]", row[name]) for row in taken for name in ("row", "label_pred"))
    found.page.fill("#explorer-query", "</script>")
    found.page.press("#explorer-query", "Enter")
    assert "<script>alert(1)</script>" in " ".join(found.facts().values())
    found.page.select_option("#explorer-color", "label_pred")
    assert "{{7*7}}" in found.page.inner_text("#explorer-legend")
    for button in found.page.locator("#explorer-legend .solo").all():
        button.click()
    assert (len(found.requests), found.console, found.dialogs) == (1, [], [])
    assert found.page.locator("#injected").count() == 0


def test_a_hundred_thousand_rows_open_in_a_page_of_three_and_a_half_megabytes(
    opened: Open, make_analysis: Callable[..., Analysis]
) -> None:
    source = render(make_analysis(n_rows=100_000, n_dims=11))
    assert len(source.encode()) <= 3_500_000
    found = opened(source)
    found.page.click("#explorer-box")
    found.drag([(2.0, -2.0), (4.6, 0.35)])
    assert found.eventually(lambda: found.status.endswith(" of 100,000 selected."))
    assert found.page.evaluate("document.querySelectorAll('canvas').length") > 0
    assert found.console == []
