from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aaetools.analysis.results import Analysis
from aaetools.reports import explorer
from aaetools.reports.explorer import latent_explorer

MakeAnalysis = Callable[..., Analysis]


class Unpacked:
    """What the script reads: written from the description of the format, not from the code that writes it."""

    def __init__(self, analysis: Analysis) -> None:
        block = latent_explorer(analysis)
        assert block is not None
        self.block = block
        self.document: dict[str, Any] = json.loads(block.data)
        self._bytes = gzip.decompress(base64.b64decode(self.document["bytes"]))

    def __getitem__(self, name: str) -> Any:
        column = self.document["columns"][name]
        raw, n, kind = self._bytes[column["start"] : column["end"]], column["n"], column["kind"]
        planes = np.frombuffer(raw, np.uint8).astype(np.int64) if kind not in ("json", "f32") else None
        if planes is None:
            return json.loads(raw) if kind == "json" else np.frombuffer(raw, "<f4")
        if kind == "u8":
            return planes
        if kind == "u16":
            return planes[:n] * 256 + planes[n:]
        if kind == "i32":
            return np.cumsum(planes.reshape(4, n).T @ np.array([2**24, 2**16, 2**8, 1])) % 2**32
        if kind == "q16":
            codes = planes[:n] * 256 + planes[n:]
        else:
            halves = np.stack([planes[n:] & 15, planes[n:] >> 4], axis=1).reshape(-1)[:n]
            codes = planes[:n] * 16 + halves
        return np.where(codes == 0, np.nan, column["low"] + (codes - 1) * column["step"])

    def __contains__(self, name: str) -> bool:
        return name in self.document["columns"]


def test_rows_come_back_in_the_order_of_their_ids(make_analysis: MakeAnalysis) -> None:
    analysis = make_analysis(n_dims=3)
    shuffled = analysis.tables.rows.sample(frac=1, random_state=0)
    found = Unpacked(dataclasses.replace(analysis, tables=dataclasses.replace(analysis.tables, rows=shuffled)))
    rows = shuffled.sort_values("row")
    assert found["row"].tolist() == rows["row"].tolist()
    assert (found["split"] == (rows["split"] == "holdout")).all()
    assert (found["cluster"] - 1 == rows["cluster"]).all()
    for column in ("label_given", "label_true", "label_pred"):
        names = [None, *found["classes"]]
        assert [names[code] for code in found[column]] == [None if v is None else v for v in rows[column]]
    for column in ("latent_x", "latent_y", "umap_x", "z2", "confidence", "reconstruction_error"):
        values = rows[column].to_numpy(float)
        # half a step of 65,535 in its range
        assert np.abs(found[column] - values).max() <= 0.51 * np.ptp(values) / 65_534


def test_missing_numbers_stay_missing_and_halves_of_bytes_are_told_apart(make_analysis: MakeAnalysis) -> None:
    pack = explorer._Pack()
    values = np.array([1.0, np.nan, 3.0, 2.0, 2.5])
    pack.numbers("odd", values, 12)
    pack.numbers("none", np.full(3, np.nan), 12)
    pack.codes("many", np.array([0, 255, 256, 65_535]))
    pack.integers("ids", np.array([7, 3, 4_000_000_000]))
    found = object.__new__(Unpacked)
    found.document, found._bytes = {"columns": pack.columns}, gzip.decompress(base64.b64decode(pack.base64()))
    np.testing.assert_allclose(found["odd"], values, atol=0.51 * 2 / 4094)
    assert np.isnan(found["none"]).all()
    assert found["many"].tolist() == [0, 255, 256, 65_535]
    assert found["ids"].tolist() == [7, 3, 4_000_000_000]


def test_main_axes_are_those_of_the_largest_variance(make_analysis: MakeAnalysis) -> None:
    analysis = make_analysis(n_dims=4)
    found = Unpacked(analysis)
    codes = analysis.tables.rows[["z0", "z1", "z2", "z3"]].to_numpy(float)
    variances = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    np.testing.assert_allclose([found["pca_x"].var(ddof=1), found["pca_y"].var(ddof=1)], variances[:2], rtol=1e-3)
    assert [view for view, _ in found.block.views] == ["latent", "umap", "pca", "axes"]
    assert found.block.axes == ("z0", "z1", "z2", "z3")
    # the prior's draws lie in the same projection
    draws = analysis.tables.prior_samples[["z0", "z1", "z2", "z3"]].to_numpy(float) - codes.mean(axis=0)
    shown = np.stack([found["prior pca_x"], found["prior pca_y"]], axis=1)
    np.testing.assert_allclose(np.linalg.norm(shown, axis=1) <= np.linalg.norm(draws, axis=1) + 1e-2, True)


def test_views_and_colours_are_those_that_the_analysis_has(make_analysis: MakeAnalysis) -> None:
    plain = Unpacked(make_analysis(n_dims=2, umap=False, labels=False, classes=(), images=False, baselines=False))
    assert plain.block.views == (("latent", "Latent map"),)
    assert plain.block.axes == ()
    assert [key for key, _ in plain.block.colorings] == ["cluster", "confidence", "reconstruction_error"]
    full = Unpacked(make_analysis(n_dims=2))
    assert [key for key, _ in full.block.colorings] == [
        "label_given",
        "label_pred",
        "label_true",
        "cluster",
        "confidence",
        "suspicion",
        "reconstruction_error",
    ]
    assert full["suspicion"][7] == pytest.approx(0.99, abs=1e-4)
    assert np.isfinite(full["suspicion"]).sum() == 2


def test_runs_of_older_versions_have_no_previews_and_no_prior_off_the_map(make_analysis: MakeAnalysis) -> None:
    analysis = make_analysis(n_dims=3)
    draws = analysis.tables.prior_samples[["label", "latent_x", "latent_y"]]
    tables = dataclasses.replace(analysis.tables, prior_samples=draws, previews=None)
    found = Unpacked(dataclasses.replace(analysis, tables=tables))
    assert "previews" not in found
    assert found.document["sprite"] is None
    assert "prior latent_x" in found
    assert "prior z0" not in found
    assert "prior pca_x" not in found


def test_thumbnails_lie_in_one_picture_of_bounded_size(
    make_analysis: MakeAnalysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = make_analysis()
    found = Unpacked(analysis)
    sprite = found.document["sprite"]
    assert len(found["previews"]) == len(analysis.tables.previews.rows)  # type: ignore[union-attr]
    assert (sprite["width"], sprite["height"]) == (8, 8)
    assert len(sprite["src"]) < 1.4 * explorer._SPRITE_BYTES
    monkeypatch.setattr(explorer, "_SPRITE_BYTES", 4_000)
    fewer = Unpacked(analysis)
    assert 20 < len(fewer["previews"]) < len(found["previews"])
    assert len(fewer.document["sprite"]["src"]) < 1.4 * 4_000


def test_tables_show_their_features(make_analysis: MakeAnalysis) -> None:
    analysis = make_analysis(classes=("a", "b", "c"), n_rows=100, images=False, feature_names=("w", "h", "d"))
    found = Unpacked(analysis)
    assert found["features"] == ["w", "h", "d"]
    previews = analysis.tables.previews
    assert previews is not None
    assert previews.features is not None
    np.testing.assert_array_equal(found["feature 1"], previews.features[:, 1])
    assert found["row"][found["previews"]].tolist() == analysis.tables.rows["row"].iloc[previews.rows].tolist()


def test_too_many_rows_are_thinned_evenly_and_keep_their_labels(
    make_analysis: MakeAnalysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "MAX_ROWS", 500)
    analysis = make_analysis(n_dims=2)
    found, rows = Unpacked(analysis), analysis.tables.rows
    assert (found.document["n"], found.document["of"]) == (500, 1797)
    assert (found["label_given"] > 0).sum() == rows["label_given"].notna().sum()
    share = rows["label_pred"].value_counts(normalize=True).sort_index()
    shown = np.bincount(found["label_pred"], minlength=11)[1:] / 500
    np.testing.assert_allclose(shown, share, atol=0.03)


def test_planes_without_room_show_a_part_of_the_rows_and_say_so(
    make_analysis: MakeAnalysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "_ROOM", 5_000)
    found = Unpacked(make_analysis(n_dims=4))
    n = found.document["partial"]["axes"]
    assert found.document["partial"] == {"pca": n, "axes": n}
    assert 0 < n < 1797
    assert found["sampled"].sum() == n == len(found["z0"]) == len(found["pca_x"])
    assert len(found["umap_x"]) == 1797


@pytest.mark.slow
@pytest.mark.parametrize("n_dims", [2, 20])
def test_bytes_stay_within_the_budget_of_the_page(make_analysis: MakeAnalysis, n_dims: int) -> None:
    for n_rows, megabytes in ((10_000, 0.65), (100_000, 1.75)):
        block = latent_explorer(make_analysis(n_rows=n_rows, n_dims=n_dims))
        assert block is not None
        assert len(block.data) <= megabytes * 1e6


def test_strings_of_the_data_are_no_markup(make_analysis: MakeAnalysis) -> None:
    names = ("</script><script>alert(1)</script>", "<!--", "\u2028&\x00", "\ud800", "x" * 10_000)
    analysis = make_analysis(classes=names, n_rows=200, images=False, feature_names=names)
    rows = analysis.tables.rows.assign(row=[f"<{i}>" for i in range(200)])
    found = Unpacked(dataclasses.replace(analysis, tables=dataclasses.replace(analysis.tables, rows=rows)))
    assert found["classes"] == list(names)
    assert found["row"][3] == "<3>"
    assert max(map(len, found["classes_shown"])) <= 40
    assert not re.search("[<>&\u2028\x00]|[^\x00-\x7f]", found.block.data)


def test_nothing_to_explore(make_analysis: MakeAnalysis) -> None:
    analysis = make_analysis(classes=("a", "b"), n_rows=60, images=False)
    empty = dataclasses.replace(analysis.tables, rows=analysis.tables.rows.iloc[:0])
    assert latent_explorer(dataclasses.replace(analysis, tables=empty)) is None


def test_bokehs_objects_are_numbered_alike_in_every_process(make_analysis: MakeAnalysis) -> None:
    from bokeh.models import Plot

    code = "import json; from aaetools.reports import explorer; print(json.dumps(explorer._plot()))"
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    Plot()  # takes a number of Bokeh's
    explorer._plot.cache_clear()
    assert json.dumps(explorer._plot()) == there.strip()
