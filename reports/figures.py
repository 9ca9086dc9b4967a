"""Figures without pyplot: a style of its own, and SVG that suits a light and a dark page.

Text and lines are drawn in a few fixed inks. An SVG from :func:`to_svg` swaps these for light ones where the
reader prefers a dark page, so that one picture serves both. Dense clouds of points lie inside it as one PNG.
"""

from __future__ import annotations

import base64
import io
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = [
    "FILE_KINDS",
    "GRID",
    "INK",
    "MUTED",
    "PAPER",
    "STYLE",
    "draw_file",
    "draw_svg",
    "style",
    "svg_data_uri",
    "svg_size",
    "to_svg",
]

INK = "#1d2433"
MUTED = "#586174"
GRID = "#dde1e9"
PAPER = "#fefefd"
_DARK = {INK: "#e8ebf2", MUTED: "#a5adbd", GRID: "#39414f", PAPER: "#181d27"}

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.title_fontsize": 8.5,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "aaetools",
    "text.color": INK,
    "text.parse_math": True,  # labels escape their dollar signs, and the escape is undone by the parser
    "text.usetex": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}
"""matplotlib settings of the report's figures, on top of matplotlib's defaults."""


FILE_KINDS: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
"""Kinds of files that figures can be saved as, with what the file is not to say of when and how it was made."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style inside a `with` block; the caller's settings come back after it."""
    # The defaults first: a reader's own matplotlibrc must not change a report.
    with matplotlib.style.context(["default", STYLE]):
        yield


def draw_svg(draw: Callable[[Axes], object], width: float, height: float) -> str:
    """Return the SVG of what `draw(ax)` draws on axes of a new figure of `width` x `height` inches."""
    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        return to_svg(figure)


def draw_file(draw: Callable[[Axes], object], width: float, height: float, kind: str) -> bytes:
    """Return a file of what `draw(ax)` draws, for print or slides: the same bytes each time.

    Parameters
    ----------
    draw, width, height
        As for :func:`draw_svg`.
    kind
        One of :data:`FILE_KINDS`. All have a white ground; png has 300 dots per inch.
    """
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that the font lacks: as in the report
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        figure.savefig(
            buffer,
            format=kind,
            dpi=300,
            facecolor="white",
            bbox_inches="tight",
            pad_inches=0.06,
            metadata=FILE_KINDS[kind],
        )
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """Return `figure` as SVG text: the same bytes each time, without comments, metadata or a background."""
    with style():
        svg, complaints = _save(figure)
        if any("missing from" in complaint for complaint in complaints):
            # matplotlib's own font has no glyph for some label: leave the text to the reader's fonts.
            with mpl.rc_context({"svg.fonttype": "none"}):
                svg, _ = _save(figure)
                svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', sans-serif")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"data:image/png;base64,([\w+/=\s]+)", _smaller_png, svg)
    svg = re.sub(r'(?<= )(?:d|x|y)="[^"]*"', _rounded, svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    return svg.replace("<defs>", f"<style>{_dark_rules()}</style><defs>", 1)


def svg_data_uri(svg: str) -> str:
    """Return `svg` as a data URI for an attribute: percent-encoded, shorter than base64 for drawings."""
    return "data:image/svg+xml," + urllib.parse.quote(svg.replace("\n", " "), safe=" ()*+,-./:;=@_!~")


def svg_size(svg: str) -> tuple[int, int]:
    """Return width and height of an SVG from :func:`to_svg` in CSS pixels."""
    match = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg.replace("\n", " "))
    if match is None:  # pragma: no cover - matplotlib always writes them
        raise ValueError("the SVG does not state its size in points")
    return round(float(match[1]) * 4 / 3), round(float(match[2]) * 4 / 3)


def _save(figure: Figure) -> tuple[str, list[str]]:
    buffer = io.StringIO()
    # Complaints about glyphs and crowded layouts are for us, not for the person who asked for a report.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(
            buffer,
            format="svg",
            dpi=144,
            transparent=True,
            bbox_inches="tight",
            pad_inches=0.06,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return buffer.getvalue(), [str(warning.message) for warning in caught]


def _dark_rules() -> str:
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in _DARK.items()
        for part in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"


def _rounded(attribute: re.Match[str]) -> str:
    """Round coordinates to a hundredth of a point, which no eye sees: half of what paths take."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), attribute[0])


def _smaller_png(match: re.Match[str]) -> str:
    """Rewrite an embedded PNG with a palette of 256 colours where that is smaller."""
    raw = base64.b64decode(match[1])
    image = Image.open(io.BytesIO(raw)).convert("RGBA")
    buffer = io.BytesIO()
    image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        buffer, format="PNG", optimize=True
    )
    # Small images are exact pictures (a confusion matrix, digits): quantising could only hurt them.
    best = buffer.getvalue() if len(raw) > 20_000 and buffer.tell() < len(raw) else raw
    return "data:image/png;base64," + base64.b64encode(best).decode("ascii")
