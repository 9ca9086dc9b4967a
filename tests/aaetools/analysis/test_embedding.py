"""The plane in which codes are drawn, and UMAP where it makes sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from aaetools.analysis import embedding
from aaetools.analysis.embedding import apply_map, project_latents, umap_embed
from aaetools.exceptions import DataError


def normal(n: int, d: int) -> Any:
    return (np.random.default_rng(0).standard_normal((n, d)) * np.arange(d, 0, -1) + 3).astype(np.float32)


def test_two_axes_are_drawn_as_they_are() -> None:
    codes = normal(20, 2)
    points, latent_map = project_latents(codes)
    assert (points == codes).all()
    assert latent_map.kind == "axes"


def test_one_axis_lies_on_the_horizontal() -> None:
    codes = normal(20, 1)
    points, _ = project_latents(codes)
    assert (points[:, 0] == codes[:, 0]).all()
    assert (points[:, 1] == 0).all()


def test_more_axes_go_through_the_principal_components() -> None:
    codes = normal(200, 5)
    points, latent_map = project_latents(codes)
    np.testing.assert_allclose(np.abs(points), np.abs(PCA(2).fit_transform(codes)), rtol=1e-3, atol=1e-3)
    assert latent_map.kind == "pca"
    # the written-out formula of LatentMap, for codes the map was not fitted on
    z = normal(3, 5) + 1
    by_hand = z.astype(float) @ np.array(latent_map.projection[0]) + latent_map.offset[0]
    np.testing.assert_allclose(apply_map(latent_map, z)[:, 0], by_hand)


@pytest.mark.parametrize("codes", [np.ones((1, 3)), np.ones((6, 3))], ids=["one row", "constant"])
def test_codes_without_spread_still_have_a_place(codes: Any) -> None:
    points, _ = project_latents(codes)
    assert points.shape == (len(codes), 2)
    assert np.isfinite(points).all()


def test_broken_codes_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        project_latents(np.full((4, 3), np.inf))


@pytest.mark.parametrize(
    ("codes", "reason"),
    [(normal(50, 2), "2 dimensions"), (normal(50, 1), "1 dimension "), (normal(19, 3), "19 rows")],
)
def test_umap_is_skipped_with_a_reason(codes: Any, reason: str) -> None:
    points, parameters = umap_embed(codes, 0)
    assert points is None
    assert reason in parameters["skipped"]


@pytest.mark.slow
def test_two_dimensions_are_embedded_if_asked_for() -> None:
    points, parameters = umap_embed(normal(50, 2), 0, force=True)
    assert points is not None
    assert points.shape == (50, 2)
    assert "skipped" not in parameters
    assert umap_embed(normal(19, 2), 0, force=True)[0] is None


@pytest.mark.slow
def test_umap_is_reproducible_and_keeps_groups_apart() -> None:
    codes = normal(80, 4)
    codes[40:] += 40
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first, parameters = umap_embed(codes, 3)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    second, _ = umap_embed(codes, 3)
    assert first is not None
    assert second is not None
    assert (first == second).all()
    assert first.shape == (80, 2)
    assert parameters["random_state"] == 3
    centre = first[:40].mean(0)
    assert np.linalg.norm(first[40:] - centre, axis=1).min() > np.linalg.norm(first[:40] - centre, axis=1).max()


@pytest.mark.slow
def test_rows_beyond_the_limit_are_placed_among_the_fitted_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MAX_UMAP_ROWS", 60)
    codes = normal(80, 4)
    codes[40:] += 40
    points, parameters = umap_embed(codes, 0)
    assert parameters["n_fitted"] == 60
    assert points is not None
    assert np.isfinite(points).all()
    centre = np.median(points[:40], axis=0)
    assert np.linalg.norm(points[40:] - centre, axis=1).min() > np.linalg.norm(points[:40] - centre, axis=1).max()


def test_classes_that_are_all_equally_far_apart_are_laid_on_a_circle() -> None:
    centres = 6 * np.eye(7)
    codes = np.repeat(centres, 20, axis=0) + 0.1 * np.random.default_rng(0).standard_normal((140, 7))
    points, latent_map = project_latents(codes, centres)
    assert latent_map.kind == "classes"
    laid = apply_map(latent_map, centres)
    radius = np.linalg.norm(laid, axis=1)
    np.testing.assert_allclose(radius, radius[0])
    apart = np.linalg.norm(laid - np.roll(laid, 1, axis=0), axis=1)
    np.testing.assert_allclose(apart, apart[0])
    np.testing.assert_allclose(points.reshape(7, 20, 2).mean(1), laid, atol=0.2)


def test_centres_that_fit_no_circle_leave_the_principal_components() -> None:
    centres = np.arange(12.0)[:, None] * np.ones((1, 4))
    assert project_latents(normal(50, 4), centres)[1].kind == "pca"
