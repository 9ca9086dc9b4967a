"""Make the pictures of this folder anew: fit three bundled data sets and photograph their reports.

Run it by `make gallery`. It needs Chromium and the extra "test" (Playwright).
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from aaetools.cli.main import main

HERE = Path(__file__).parent
FITS = {
    "digits": ["fit", "--labels", "partial"],
    "wine": ["fit", "wine", "--labels", "partial"],
    "swiss_roll": ["fit", "swiss_roll", "--labels", "partial"],
}
WIDTH, HEIGHT = 1280, 1000
CHAPTERS = {"explorer": "explorer", "prior": "prior"}
"""Part of the file's name -> id of the chapter."""


def make_gallery() -> int:
    """Write the pictures; return 0."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        print("There is no chromium, chromium-browser or google-chrome on the path; install one.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for name, command in FITS.items():
            run = Path(folder) / name
            if main([*command, "--out", str(run), "--quiet"]):
                return 2
            photograph(browser, run / "report.html", name)
        browser.close()
    return 0


def photograph(browser: Browser, report: Path, name: str) -> None:
    """Take a picture of the report's first screen, light and dark, and of some chapters."""
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
        page.goto(report.as_uri())
        page.wait_for_timeout(1_500)  # until the explorer is drawn
        save(page.screenshot(), f"{name}-{scheme}.png")
        if scheme == "light":
            for part, chapter in CHAPTERS.items():
                save(chapter_of(page, chapter), f"{name}-{part}.png")
        page.close()


def chapter_of(page: Page, chapter: str) -> bytes:
    """Return a picture of one chapter."""
    section = page.locator(f"section#{chapter}")
    section.scroll_into_view_if_needed()
    return section.screenshot()


def save(picture: bytes, name: str) -> None:
    """Write a picture with at most 256 colours, a fifth of its size."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


if __name__ == "__main__":
    sys.exit(make_gallery())
