"""The rows of a run as a map to explore: what the script in the page is given, and how it is packed.

The page stays small because numbers travel as compressed bytes: coordinates as 12 or 16 bits of their range, classes
as one or two bytes. Whatever a row says in words lies in the same bytes, as JSON; no string of the data becomes markup.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from aaetools.reports import plots, text
from aaetools.reports.blocks import Explorer

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, Previews

__all__ = ["MAX_ROWS", "explorer_library", "explorer_script", "explorer_style", "latent_explorer"]

MAX_ROWS = 300_000
"""More rows than this are thinned out, the same share of every group; the page says so."""

_ROOM, _ROOM_PER_ROW = 100_000, 7
"""Bytes that all coordinates may take: for fewer rows more planes are complete."""

_FINE_BITS, _COARSE_BITS = 16, 12
_SPRITE_BYTES = 150_000
_MAX_PRIOR = 1_000


def latent_explorer(analysis: Analysis) -> Explorer | None:
    """Return the explorer of an analysis' rows, None where there is nothing to explore."""
    table = analysis.tables.rows
    if not len(table) or not table["latent_x"].notna().any():
        return None
    rows, positions = _chosen(analysis)
    pack = _Pack()
    planes = _planes(analysis, rows)
    names, partial = _pack_planes(pack, rows, planes)
    colorings = _pack_rows(pack, analysis, rows, positions)
    outlines = _outlines(analysis)
    _pack_prior(pack, analysis, planes)
    sprite = _pack_previews(pack, analysis.tables.previews, positions)
    axes = tuple(name for name in names if name.startswith("z")) if "axes" in {p.view for p in planes} else ()
    document = {
        "n": len(rows),
        "of": len(table),
        "name": re.sub(r"[^\w.-]+", "_", analysis.data.name).strip("._-")[:60] or "rows",
        "views": {plane.view: [*plane.ends, *plane.names] for plane in planes},
        "partial": partial,
        "colorings": colorings,
        "palette": plots.PALETTE,
        "rest": plots.UNLABELED_COLOR,
        "outlines": outlines,
        "sprite": sprite,
        "columns": pack.columns,
        "bytes": pack.base64(),
        "plot": _plot(),
    }
    return Explorer(
        data=_inert(document),
        views=tuple((plane.view, plane.title) for plane in planes),
        axes=axes,
        colorings=tuple((coloring["key"], coloring["title"]) for coloring in colorings),
        splits=rows["split"].nunique() > 1,
        outlined=bool(outlines),
    )


def explorer_script() -> str:
    """Return our own script: it unpacks Bokeh and the rows, and draws."""
    return _template("explorer.js")


def explorer_style() -> str:
    """Return the style sheet of the controls."""
    return _template("explorer.css")


@cache
def explorer_library() -> str:
    """Return Bokeh's script as its installed package has it."""
    return resources.files("bokeh").joinpath("server/static/js/bokeh.min.js").read_text(encoding="utf-8")


def _template(name: str) -> str:
    return resources.files("aaetools.reports.templates").joinpath(name).read_text(encoding="utf-8")


# Rows


def _chosen(analysis: Analysis) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the rows to show and their positions in the table, in the order of their ids, which then pack well."""
    table = analysis.tables.rows
    positions = np.arange(len(table))
    if len(table) > MAX_ROWS:
        audit = analysis.labels.audit
        kept = table["label_given"].notna().to_numpy() if "label_given" in table else np.zeros(len(table), bool)
        if audit is not None:
            kept[[suspect.row for suspect in audit.suspects]] = True
        kept &= np.cumsum(kept) <= MAX_ROWS // 2
        rest = np.flatnonzero(~kept)
        groups = (table["split"].astype(str) + " " + table["label_pred"].astype(str)).to_numpy()[rest]
        some = _same_share(groups, MAX_ROWS - int(kept.sum()))
        positions = np.sort(np.concatenate([np.flatnonzero(kept), rest[some]]))
    ids = table["row"].to_numpy()[positions]
    if ids.dtype.kind in "iu":
        positions = positions[np.argsort(ids, kind="stable")]
    return table.iloc[positions], positions


def _same_share(groups: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Return the positions of n rows, the same share of every group."""
    every = np.floor(np.arange(n) * (len(groups) / n)).astype(int)
    return np.asarray(np.argsort(groups, kind="stable")[every])


@dataclass(frozen=True)
class _Plane:
    """A plane that rows can be shown in: its columns, across and up, with their names, and the prior's draws in it."""

    view: str
    title: str
    ends: tuple[str, str]
    names: tuple[str, str]
    columns: dict[str, NDArray[Any]]
    prior: dict[str, NDArray[Any]] = field(default_factory=dict)


def _planes(analysis: Analysis, rows: pd.DataFrame) -> list[_Plane]:
    where, draws = analysis.latent_map, analysis.tables.prior_samples
    axes = tuple(f"z{i}" for i in range(analysis.model.n_components) if f"z{i}" in rows)

    def columns(table: pd.DataFrame, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        return {name: table[name].to_numpy(np.float64) for name in names if name in table}

    ends = ("latent_x", "latent_y")
    names = (text.shorten(where.x_name, 40), text.shorten(where.y_name, 40))
    found = [_Plane("latent", "Latent map", ends, names, columns(rows, ends), columns(draws, ends))]
    if rows["umap_x"].notna().any():
        ends = ("umap_x", "umap_y")
        found.append(_Plane("umap", "UMAP", ends, ("UMAP 1 (no unit)", "UMAP 2 (no unit)"), columns(rows, ends)))
    if len(axes) > 2:
        if where.kind != "pca":
            found.append(_pca(rows[[*axes]], draws[[*axes]] if set(axes) <= set(draws) else None))
        pair = (axes[0], axes[1])
        found.append(_Plane("axes", "Two latent axes", pair, pair, columns(rows, axes), columns(draws, axes)))
    return found


def _pca(rows: pd.DataFrame, draws: pd.DataFrame | None) -> _Plane:
    ends = ("pca_x", "pca_y")
    from aaetools.analysis.embedding import apply_map, project_latents

    coordinates, plane = project_latents(rows.to_numpy(np.float64))
    prior = {} if draws is None else dict(zip(ends, apply_map(plane, draws.to_numpy(np.float64)).T, strict=True))
    names = ("principal component 1", "principal component 2")
    return _Plane("pca", "Main axes (PCA)", ends, names, dict(zip(ends, coordinates.T, strict=True)), prior)


def _pack_planes(pack: _Pack, rows: pd.DataFrame, planes: list[_Plane]) -> tuple[list[str], dict[str, int]]:
    """Pack the coordinates; where they take too much room, those of axes and PCA for a part of the rows only.

    Return the names of the columns, and of each view that lacks rows how many it has.
    """
    n = len(rows)
    complete = ("latent", "umap")
    whole, further = (
        {name: values for plane in planes if (plane.view in complete) is yes for name, values in plane.columns.items()}
        for yes in (True, False)
    )
    room = _ROOM + _ROOM_PER_ROW * n
    bits = _FINE_BITS if 2 * n * (len(whole) + len(further)) <= room else _COARSE_BITS
    for name, values in whole.items():
        pack.numbers(name, values, bits)
    left = room - len(whole) * n * bits // 8
    n_further = min(n, max(1, left * 8 // (bits * max(len(further), 1))))
    picked = np.arange(n)
    if n_further < n:
        picked = np.sort(_same_share(rows["label_pred"].astype(str).to_numpy(), n_further))
        shown = np.zeros(n, dtype=np.uint8)
        shown[picked] = 1
        pack.codes("sampled", shown)
    for name, values in further.items():
        pack.numbers(name, values[picked], bits)
    partial = {plane.view: n_further for plane in planes if plane.view not in complete and n_further < n}
    return [*whole, *further], partial


def _pack_rows(
    pack: _Pack, analysis: Analysis, rows: pd.DataFrame, positions: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Pack what is known of the rows, and return what they can be coloured by, the most telling first."""
    classes = list(analysis.data.classes)
    ids = rows["row"].to_numpy()
    if ids.dtype.kind in "iu" and (not len(ids) or (ids.min() >= 0 and ids.max() < 2**32)):
        pack.integers("row", ids)
    else:
        pack.strings("row", [str(value) for value in ids])
    pack.codes("split", (rows["split"] == "holdout").to_numpy())
    found: list[dict[str, Any]] = []
    named = {"label_given": "given label", "label_pred": "prediction", "label_true": "true label (hold-out)"}
    seen = {str(label) for column in named if column in rows for label in rows[column].dropna().unique()}
    classes += sorted(seen - set(classes))
    pack.strings("classes", classes)
    pack.strings("classes_shown", [text.shorten(label, 40) or "(empty)" for label in classes])
    index = pd.Index(classes, dtype=object)
    for column, title in named.items():
        labels = rows[column] if column in rows else pd.Series([None] * len(rows))
        codes = index.get_indexer(pd.Index(labels.where(labels.isna(), labels.astype(str)), dtype=object)) + 1
        pack.codes(column, codes)
        if codes.any():
            rest = "no prediction" if column == "label_pred" else "no label"
            found.append({"key": column, "title": title, "kind": "classes", "rest": rest})
    pack.codes("cluster", rows["cluster"].to_numpy().astype(np.int64) + 1)
    found.append({"key": "cluster", "title": "cluster", "kind": "clusters", "rest": "noise"})
    suspicion = _suspicion(analysis)
    for column, title, values in (
        ("confidence", "confidence", rows["confidence"].to_numpy(np.float64)),
        ("suspicion", "suspicion of the given label", None if suspicion is None else suspicion[positions]),
        ("reconstruction_error", "reconstruction error", rows["reconstruction_error"].to_numpy(np.float64)),
    ):
        if values is not None and np.isfinite(values).any():
            pack.numbers(column, values, _FINE_BITS if len(rows) <= 20_000 else _COARSE_BITS)
            low, high = (0.0, 1.0)
            if column == "reconstruction_error":  # a few extreme ones must not leave all others one colour
                low, high = map(float, np.quantile(values[np.isfinite(values)], (0.0, 0.99)))
            found.append(
                {"key": column, "title": title, "kind": "numbers", "rest": "not known", "range": [low, high]}
                | {"open": column == "reconstruction_error"}
            )
    return found


def _suspicion(analysis: Analysis) -> NDArray[np.float64] | None:
    """Return how improbable each given label is by the others: 1 - p; NaN for rows that were not audited or listed."""
    audit = analysis.labels.audit
    if audit is None or not audit.suspects:
        return None
    values = np.full(len(analysis.tables.rows), np.nan)
    for suspect in audit.suspects:
        values[suspect.row] = 1 - suspect.p_given
    return values


# The prior


def _pack_prior(pack: _Pack, analysis: Analysis, planes: list[_Plane]) -> None:
    draws = analysis.tables.prior_samples
    every = np.arange(0, len(draws), max(1, -(-len(draws) // _MAX_PRIOR)))
    number = {label: i + 1 for i, label in enumerate(analysis.data.classes)}
    pack.codes("prior", np.array([number.get(str(label), 0) for label in draws["label"].iloc[every]], dtype=np.int64))
    for plane in planes:
        for name, values in plane.prior.items():
            pack.numbers(f"prior {name}", values[every], _COARSE_BITS)


def _outlines(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the lines in the latent map that hold 90% of the prior's draws, as the figures show them."""
    draws = analysis.tables.prior_samples
    classes = list(analysis.data.classes)
    ax, found = Figure().add_subplot(), []
    for label, part in draws.groupby(draws["label"].astype(str), sort=False):
        n_before = len(ax.collections)
        plots.prior_outline(ax, part["latent_x"].to_numpy(float), part["latent_y"].to_numpy(float))
        lines = [
            np.round(np.asarray(line, dtype=np.float64).T, 4).tolist()
            for collection in ax.collections[n_before:]
            for path in collection.get_paths()
            for line in path.to_polygons(closed_only=False)
        ]
        found.append({"class": classes.index(str(label)) + 1 if label in classes else 0, "lines": lines})
    return [outline for outline in found if outline["lines"]]


# Pictures and features of single rows


def _pack_previews(pack: _Pack, previews: Previews | None, positions: NDArray[np.int64]) -> dict[str, Any] | None:
    """Pack what rows are recognised by; return the sprite of thumbnails, if the rows are images."""
    if previews is None or not len(previews.rows):
        return None
    place = np.full(int(max(positions.max(), previews.rows.max())) + 1, -1)
    place[positions] = np.arange(len(positions))
    known = np.flatnonzero(place[previews.rows] >= 0)
    sprite = None
    if previews.thumbnails is not None:
        known, sprite = _sprite(previews.thumbnails, known)
    elif previews.features is not None:
        pack.strings("features", [text.shorten(name, 40) or "(empty)" for name in previews.feature_names])
        for i in range(len(previews.feature_names)):
            pack.floats(f"feature {i}", previews.features[known, i])
    pack.integers("previews", place[previews.rows[known]])
    return sprite


def _sprite(thumbnails: NDArray[np.uint8], known: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return one picture of all thumbnails as a data URI, and which of them had room in it."""
    height, width = thumbnails.shape[1:3]
    while True:
        columns = max(1, int(np.sqrt(len(known) * height / width)))
        lines = -(-len(known) // columns)
        tiles = np.zeros((lines * columns, *thumbnails.shape[1:]), dtype=np.uint8)
        tiles[: len(known)] = thumbnails[known]
        rest = tuple(range(4, tiles.ndim + 1))
        sheet = tiles.reshape(lines, columns, *thumbnails.shape[1:]).transpose(0, 2, 1, 3, *rest)
        picture = Image.fromarray(sheet.reshape(lines * height, columns * width, *thumbnails.shape[3:]))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", optimize=True)
        if buffer.tell() <= _SPRITE_BYTES or len(known) <= 1:
            break
        known = known[:: int(np.ceil(buffer.tell() / _SPRITE_BYTES))]
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return known, {"src": address, "width": width, "height": height, "columns": columns}


# Packing


class _Pack:
    """Columns one after the other in one run of bytes, and how to read each of them."""

    def __init__(self) -> None:
        self.columns: dict[str, dict[str, Any]] = {}
        self._bytes = bytearray()

    def base64(self) -> str:
        return base64.b64encode(gzip.compress(bytes(self._bytes), 9, mtime=0)).decode("ascii")

    def codes(self, name: str, values: NDArray[Any]) -> None:
        """Whole numbers from 0 to 65,535."""
        codes = np.clip(values.astype(np.int64), 0, 65_535)
        kind = "u16" if len(codes) and codes.max() > 255 else "u8"
        self._add(name, kind, len(codes), *_planes_of(codes, 2 if kind == "u16" else 1))

    def integers(self, name: str, values: NDArray[Any]) -> None:
        """Whole numbers of 32 bits, stored as differences."""
        steps = np.mod(np.diff(values.astype(np.int64), prepend=0), 2**32)
        self._add(name, "i32", len(steps), *_planes_of(steps, 4))

    def floats(self, name: str, values: NDArray[Any]) -> None:
        self._add(name, "f32", len(values), values.astype("<f4").tobytes())

    def numbers(self, name: str, values: NDArray[Any], bits: int) -> None:
        """Numbers, rounded to as many steps of their range as `bits` can count; 0 stands for a missing one."""
        finite = np.isfinite(values)
        low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
        step = (high - low) / (2**bits - 2) or 1.0
        codes = np.where(finite, np.round((np.where(finite, values, low) - low) / step) + 1, 0).astype(np.int64)
        if bits == 16:
            parts = _planes_of(codes, 2)
        else:  # the high bytes, then the low halves of a byte in pairs
            rest = np.append(codes & 15, [0] * (len(codes) % 2)).astype(np.uint8)
            parts = [(codes >> 4).astype(np.uint8).tobytes(), (rest[::2] | rest[1::2] << 4).tobytes()]
        self._add(name, f"q{bits}", len(codes), *parts, low=low, step=step)

    def strings(self, name: str, values: list[str]) -> None:
        """Any strings, lone surrogates included, which JSON escapes."""
        self._add(name, "json", len(values), json.dumps(values, separators=(",", ":")).encode("ascii"))

    def _add(self, name: str, kind: str, n: int, *parts: bytes, **more: float) -> None:
        start = len(self._bytes)
        for part in parts:
            self._bytes += part
        self.columns[name] = {"kind": kind, "n": n, "start": start, "end": len(self._bytes), **more}


def _planes_of(codes: NDArray[np.int64], n_bytes: int) -> list[bytes]:
    """Return all highest bytes, then all second highest, and so on: like stands beside like, and packs better."""
    return [((codes >> 8 * i) & 255).astype(np.uint8).tobytes() for i in range(n_bytes - 1, -1, -1)]


def _inert(document: dict[str, Any]) -> Markup:
    """Return JSON that no HTML parser can take for the end of its element or the start of a comment."""
    source = json.dumps(document, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(source.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


# The plot


@cache
def _plot() -> dict[str, Any]:
    """Return Bokeh's document: a plot without rows, which the script puts in; the same in every process."""
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document
    from bokeh.models import Range1d
    from bokeh.models.renderers import GlyphRenderer
    from bokeh.models.tools import SelectTool
    from bokeh.plotting import figure

    plot = figure(
        name="plot",
        tools="pan,wheel_zoom,box_select,lasso_select,tap",
        toolbar_location=None,
        output_backend="canvas",
        sizing_mode="stretch_both",
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1),
        active_drag="pan",
        active_scroll=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        # while the map moves, of more rows every 20th is drawn; also where a single picture takes a second
        lod_threshold=4_000,
        lod_factor=20,
        lod_interval=3_000,
        lod_timeout=500,
        min_border=8,
    )
    _add_glyphs(plot)
    for tool in plot.tools:
        if hasattr(tool, "continuous"):
            tool.continuous = False
        if isinstance(tool, SelectTool):  # the wheel has renderers too, but naming them would keep it from zooming
            tool.renderers = [r for r in plot.renderers if isinstance(r, GlyphRenderer) and r.name in ("back", "front")]
    document = Document()
    document.add_root(plot)
    source = serialize_json(document.to_json())
    # Bokeh numbers its objects through the whole process: count anew
    ids: dict[str, str] = {}
    source = re.sub(r'"p(\d+)"', lambda match: f'"{ids.setdefault(match[1], f"e{len(ids)}")}"', source)
    found: dict[str, Any] = json.loads(source)
    return found


def _add_glyphs(plot: Any) -> None:
    """Add what the script fills: rows, the prior's draws and outlines, and a ring around the row that is looked at."""
    from bokeh.models import CDSView, ColumnDataSource, IndexFilter

    rows = ColumnDataSource({"x": [], "y": [], "color": []}, name="rows")
    for name in ("back", "front"):  # rows without a colour of their own lie below those with one
        plot.scatter(
            "x",
            "y",
            source=rows,
            view=CDSView(filter=IndexFilter(indices=[])),
            name=name,
            marker="circle",
            fill_color={"field": "color"} if name == "front" else plots.UNLABELED_COLOR,
            line_color=None,
            fill_alpha=0.7,
            nonselection_fill_alpha=0.1,
        )
    prior = ColumnDataSource({"x": [], "y": [], "color": []}, name="prior rows")
    colors = {"line_color": {"field": "color"}, "visible": False}
    plot.scatter("x", "y", source=prior, name="prior", marker="x", size=5, line_alpha=0.6, **colors)
    lines = ColumnDataSource({"xs": [], "ys": [], "color": []}, name="outline rows")
    plot.multi_line("xs", "ys", source=lines, name="outline", line_width=1.6, **colors)
    focus = ColumnDataSource({"x": [], "y": []}, name="focus rows")
    plot.scatter("x", "y", source=focus, name="focus", marker="circle", size=16, fill_color=None, line_width=2.5)
