"""The page in a real browser: headless Chromium, if there is one."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]

Pages = Callable[[str], str]

# Scripts run only in this frame around the page; the page's own policy still holds inside it.
FRAME = """<!DOCTYPE html><title>waiting</title>
<iframe id="page" width="{width}" height="900" srcdoc="{page}"></iframe>
<pre id="found"></pre>
<script>
document.getElementById("page").addEventListener("load", event => {{
  const inside = event.target.contentDocument, root = inside.documentElement;
  const images = [...inside.images];
  document.getElementById("found").textContent = JSON.stringify({{
    overflow: root.scrollWidth - root.clientWidth,
    broken: images.filter(image => !image.complete || image.naturalWidth === 0).length,
    images: images.length,
    scripts: inside.scripts.length,
    injected: inside.querySelectorAll("#injected, [onerror], [onload]").length,
    styled: getComputedStyle(inside.querySelector(".answers")).display,
    requests: event.target.contentWindow.performance.getEntriesByType("resource")
      .filter(entry => !entry.name.startsWith("data:")).length,
  }});
}});
</script>"""


def chromium(folder: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        url,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)


def console(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("variant", ["digits", "hostile", "fifty classes", "comparison", "hostile comparison"])
@pytest.mark.parametrize("width", [400, 1300])
def test_page_shows_all_pictures_without_requests_or_sideways_scrolling(
    page_of: Pages, tmp_path: Path, variant: str, width: int
) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=html.escape(page_of(variant)), width=width), encoding="utf-8")
    done = chromium(tmp_path, frame.as_uri(), "--dump-dom")
    assert console(done) == []
    match = re.search(r'<pre id="found">(\{.*?\})</pre>', done.stdout)
    assert match is not None
    found = match[1]
    for part in (
        '"overflow":0',
        '"broken":0',
        '"scripts":0',
        '"injected":0',
        '"styled":"grid"',
        '"requests":0',
    ):
        assert part in found
    assert '"images":0' not in found


def test_a_blocked_script_would_show_in_the_console(page_of: Pages, tmp_path: Path) -> None:
    """The control: without it, an empty console would prove nothing."""
    page = tmp_path / "page.html"
    page.write_text(page_of("digits").replace("<footer>", "<script>alert(1)</script><footer>"), encoding="utf-8")
    assert any("Content Security Policy" in line for line in console(chromium(tmp_path, page.as_uri(), "--dump-dom")))


def corner_and_blue(path: Path) -> tuple[tuple[int, ...], int]:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return tuple(pixels[2, 2]), int((np.abs(pixels - [0x00, 0x78, 0xB4]).sum(axis=2) < 12).sum())


@pytest.mark.parametrize(
    ("options", "ground"),
    [((), (0xF4, 0xF5, 0xF8)), (("--blink-settings=preferredColorScheme=0",), (0x10, 0x14, 0x1C))],
    ids=["light", "dark"],
)
def test_page_is_drawn_in_light_and_dark(
    page_of: Pages, tmp_path: Path, options: tuple[str, ...], ground: tuple[int, ...]
) -> None:
    page, shot = tmp_path / "page.html", tmp_path / "shot.png"
    page.write_text(page_of("digits"), encoding="utf-8")
    done = chromium(tmp_path, page.as_uri(), "--window-size=1300,3000", f"--screenshot={shot}", *options)
    assert console(done) == []
    corner, blue = corner_and_blue(shot)
    assert corner == ground
    assert blue > 200  # figures are there, not only their frames


def test_print_opens_what_is_folded(page_of: Pages, tmp_path: Path) -> None:
    source = page_of("digits")
    sizes = []
    for name, text in (
        ("folded", source),
        ("cut", re.sub(r'<details class="more">.*?</details>', "", source, flags=re.DOTALL)),
    ):
        page, pdf = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        page.write_text(text.replace("<details open>", "<details>"), encoding="utf-8")
        chromium(tmp_path, page.as_uri(), "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
        sizes.append(pdf.stat().st_size)
    # All chapters were closed: their figures are in the file only if printing opened them.
    assert min(sizes) > 150_000
    assert sizes[0] > sizes[1]
