"""How large the report's page is, and how long it takes to open in a browser, by number of rows.

Run `python benchmarks/report_page.py`; it needs Chromium and the extra "test". It writes results/report_page.md.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from tables import RESULTS, machine, markdown_table, versions

from aaetools.reports import render
from aaetools.reports.explorer import MAX_ROWS

HERE = Path(__file__).parent
SIZES = (1_000, 10_000, 100_000, 1_000_000)
N_DIMS = 11
REPEATS = 3

# From the start of the navigation: when the page can be read, when the map answers.
READY = """() => new Promise(done => {
  const wait = () => document.querySelector("#explorer-app[data-ready]")
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(wait, 10);
  wait();
})"""
READABLE = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def opened(browser: Browser, file: Path) -> tuple[float, float, float]:
    """Return seconds until the page can be read and the map answers, and those of one frame of a drag."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri(), wait_until="commit")
    ready = page.evaluate(READY)
    readable = page.evaluate(READABLE)
    page.locator("#explorer-map").scroll_into_view_if_needed()
    box = page.locator("#explorer-map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y)
    started = time.perf_counter()
    for i in range(20):
        page.mouse.move(x + 10 + 5 * i, y + 3 * i)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    frame = (time.perf_counter() - started) / 20
    page.mouse.up()
    page.close()
    return readable / 1000, ready / 1000, frame


def measure(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return one line per number of rows, of analyses made up to look real."""
    build = runpy.run_path(str(HERE.parent / "tests" / "reports" / "conftest.py"))["build_analysis"]
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    lines = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for n_rows in sizes:
            analysis = build(n_rows=n_rows, n_dims=N_DIMS)
            started = time.perf_counter()
            page = render(analysis)
            seconds = time.perf_counter() - started
            file = Path(folder) / f"{n_rows}.html"
            file.write_text(page, encoding="utf-8")
            times = [opened(browser, file) for _ in range(REPEATS)]
            lines.append(
                {
                    "rows": n_rows,
                    "shown": min(n_rows, MAX_ROWS),
                    "page": len(page.encode()),
                    "without": len(render(analysis, explorer=False).encode()),
                    "render": seconds,
                    "readable": [t[0] for t in times],
                    "ready": [t[1] for t in times],
                    "frame": [t[2] for t in times],
                    "browser": browser.version,
                    "load": os.getloadavg()[0],
                }
            )
            print(json.dumps(lines[-1]), flush=True)
        browser.close()
    return lines


def spread(values: list[float], digits: int = 2) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def page_of(lines: list[dict[str, Any]]) -> str:
    """Return the results as a page."""
    header = [
        "rows",
        "on the map",
        "page, MB",
        "without explorer, MB",
        "rendered in, s",
        "readable after, s",
        "map answers after, s",
        "frame while dragging, ms",
    ]
    rows = [
        [
            f"{line['rows']:,}",
            f"{line['shown']:,}",
            f"{line['page'] / 1e6:.2f}",
            f"{line['without'] / 1e6:.2f}",
            f"{line['render']:.1f}",
            spread(line["readable"]),
            spread(line["ready"]),
            spread([1000 * seconds for seconds in line["frame"]], 0),
        ]
        for line in lines
    ]
    return f"""# Size of the report and time to open it

{machine()}; {versions("bokeh")}, Chromium {lines[0]["browser"]}

{markdown_table(header, rows)}
Made by `benchmarks/report_page.py` from made-up analyses of images: {N_DIMS} latent dimensions, 10 classes, UMAP, 500
thumbnails. Headless, without a graphics card, one window of 1280 x 900, the file on the local disk; median (least to
most) of {len(lines[0]["ready"])} openings. The load average was {lines[-1]["load"]:.1f} on {os.cpu_count()} cores, some
of it not from this.

"Readable" is when the browser has the whole page with its static figures and tables; the map draws after that. While
the map is dragged every 20th row is drawn where there are more than 4,000, and all of them when it stands still. The
budgets are 2.2 MB at 10,000 rows, 3.5 MB at 100,000 and 10 MB at 1,000,000; 100,000 rows should open in under 3 s.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    found = measure(tuple(parser.parse_args().rows))
    (RESULTS / "report_page.md").write_text(page_of(found), encoding="utf-8")
