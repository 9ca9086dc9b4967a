from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import _pylab_helpers
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from aaetools.analysis import latent_space
from aaetools.analysis.results import (
    CalibrationBin,
    CalibrationCurve,
    GoodnessOfFit,
    Interval,
    MethodScore,
    Proportion,
)
from aaetools.reports import plots

MACHADO = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "normal": np.eye(3),
}
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 60))
LABELS = [("a", "b", None)[i % 3] for i in range(60)]
PRIOR = pd.DataFrame(
    {"label": np.repeat(["a", "b"], 40), "latent_x": RNG.normal(size=80), "latent_y": RNG.normal(size=80)}
)
HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "reconstruction_loss": [1.0, 0.5, 0.4],
        "generator_loss": [0.7, 0.7, 0.7],
        "discriminator_accuracy": [0.9, 0.6, 0.5],
        "seconds": [0.1, 0.2, 0.3],
    }
)
SPACE = latent_space(np.c_[X, Y, 0 * X], np.c_[X, Y, X * Y], {"UMAP": np.c_[X, Y]}, random_state=0)
PROFILES = pd.DataFrame(
    {
        "name": ["a", "a", "b", "b"],
        "feature": ["$x", "y", "$x", "y"],
        "decoded": [1.0, 2.0, 5.0, 4.0],
        "mean": [3.0, 2.0, 3.0, 2.0],
        "std": [1.0, 0.0, 1.0, 0.0],
    }
)


@pytest.fixture
def ax() -> Axes:
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def draw(ax: Axes) -> Axes:
    """Run everything that is put off until a figure is drawn."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return ax


def score(name: str, value: float) -> MethodScore:
    return MethodScore(name, Proportion(value, value - 0.03, value + 0.02, 400))


def fit(scope: str, ratio: float, statistic: str = "mmd", verdict: Any = "met") -> GoodnessOfFit:
    return GoodnessOfFit(scope, statistic, 100, ratio, 0.5, 1.0, ratio, 0.5, 1.0, verdict)


CURVE = CalibrationCurve(
    error=Interval(0.08, 0.05, 0.1, 110),
    error_if_calibrated=0.04,
    n_bins=15,
    bins=(
        CalibrationBin(0.6, 0.7, 0.65, Proportion(0.5, 0.24, 0.76, 10)),
        CalibrationBin(0.9, 1.0, 0.97, Proportion(0.9, 0.83, 0.94, 100)),
    ),
)

CALLS: dict[str, Any] = {
    "accuracy_bars": lambda ax: plots.accuracy_bars(ax, score("model", 0.95), [score("other", 0.9)], chance=0.1),
    "confusion_matrix": lambda ax: plots.confusion_matrix(ax, [[5, 1], [0, 4]], ["a", "b"]),
    "latent_map": lambda ax: plots.latent_map(ax, X, Y, LABELS, prior=PRIOR, mistakes=X > 1.5),
    "umap_map": lambda ax: plots.umap_map(ax, X, Y, LABELS),
    "image_pairs": lambda ax: plots.image_pairs(ax, np.ones((7, 4, 4)), np.zeros((7, 4, 4)), columns=5),
    "class_samples": lambda ax: plots.class_samples(ax, RNG.random((6, 4, 4)), ["a"] * 3 + ["b"] * 3),
    "training_curves": lambda ax: plots.training_curves(ax, HISTORY),
    "discriminator_curve": lambda ax: plots.discriminator_curve(ax, HISTORY),
    "neighbour_recall": lambda ax: plots.neighbour_recall(ax, SPACE),
    "axis_spread": lambda ax: plots.axis_spread(ax, SPACE.spread, SPACE.dead_axes),
    "image walks": lambda ax: plots.walks(ax, RNG.random((2, 5, 4, 4)), ["a to b", "b to a"]),
    "feature_profiles": lambda ax: plots.feature_profiles(ax, PROFILES),
    "prior_match_grid": lambda ax: plots.prior_match_grid(ax, [fit("overall", 0.8), fit("a", 30, verdict="not met")]),
    "calibration_curve": lambda ax: plots.calibration_curve(ax, CURVE),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_function_draws_titles_and_returns_its_axes(ax: Axes, name: str) -> None:
    before = dict(mpl.rcParams)
    returned = CALLS[name](ax)
    assert returned is ax
    draw(ax)
    assert ax.get_title(loc="left") or ax.get_title()
    if "image" not in name and "samples" not in name:
        assert ax.get_xlabel() or [tick.get_text() for tick in ax.get_xticklabels()]
        assert ax.get_ylabel() or [tick.get_text() for tick in ax.get_yticklabels()]
    assert dict(mpl.rcParams) == before
    assert _pylab_helpers.Gcf.get_num_fig_managers() == 0


def oklab(colors: list[str], matrix: Any) -> Any:
    rgb = np.array([to_rgb(color) for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(matrix).T, 0, 1)
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.cbrt(seen @ np.array(to_lms).T) @ np.array(to_lab).T


@pytest.mark.parametrize("vision", MACHADO)
def test_ten_colours_stay_apart_for_every_kind_of_vision(vision: str) -> None:
    lab = oklab(list(plots.PALETTE), MACHADO[vision])
    least = min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))
    assert least > 0.095


def test_fifty_classes_all_look_different() -> None:
    styles = plots.class_styles([str(i) for i in range(50)])
    assert len(set(styles.values())) == 50


@pytest.mark.parametrize("n_classes", [2, 10, 15, 50])
def test_maps_name_every_class(ax: Axes, n_classes: int) -> None:
    labels = [f"class {i % n_classes}" for i in range(200)]
    x, y = RNG.normal(size=(2, 200))
    draw(plots.umap_map(ax, x, y, labels))
    legend = ax.get_legend()
    assert legend is not None
    assert {entry.get_text() for entry in legend.get_texts()} == set(labels)


def test_unlabelled_rows_are_drawn_first_and_in_grey(ax: Axes) -> None:
    plots.umap_map(ax, X, Y, LABELS)
    below, above = ax.collections[0], ax.collections[1]
    assert below.get_zorder() < above.get_zorder()
    assert np.asarray(below.get_offsets()).shape == (20, 2)
    red, green, blue = np.asarray(below.get_facecolor())[0][:3]
    assert max(red, green, blue) - min(red, green, blue) < 0.12


@pytest.mark.parametrize("labels", [None, [None] * 60, [pd.NA] * 60])
def test_maps_work_without_labels(ax: Axes, labels: Any) -> None:
    draw(plots.latent_map(ax, X, Y, labels))


def test_a_class_without_rows_keeps_the_colours_of_the_others(ax: Axes) -> None:
    plots.umap_map(ax, X, Y, ["b"] * 60, classes=["a", "b"])
    drawn = np.asarray(ax.collections[-1].get_facecolor())[0][:3]
    assert drawn == pytest.approx(to_rgb(plots.PALETTE[1]), abs=1e-6)


@pytest.mark.parametrize("prior", [PRIOR.assign(latent_y=0.0), PRIOR.assign(label="", latent_y=0.0), None])
def test_codes_on_a_line_become_densities(ax: Axes, prior: pd.DataFrame | None) -> None:
    draw(plots.latent_map(ax, X, np.zeros(60), LABELS, prior=prior))
    assert "density" in ax.get_ylabel()


def test_degenerate_codes_and_priors_do_not_stop_a_map(ax: Axes) -> None:
    prior = pd.DataFrame({"label": ["a"] * 9, "latent_x": [1.0] * 9, "latent_y": [2.0] * 9})
    draw(plots.latent_map(ax, [1.0, 1.0, np.nan], [2.0, 3.0, np.nan], ["a", "a", "b"], prior=prior))


def test_prior_outline_encloses_about_nine_tenths_of_the_draws(ax: Axes) -> None:
    draws = np.random.default_rng(1).normal(size=(2000, 2))
    prior = pd.DataFrame({"label": "", "latent_x": draws[:, 0], "latent_y": draws[:, 1]})
    plots.latent_map(ax, X, Y, None, prior=prior)
    paths = [path for path in ax.collections[-1].get_paths() if np.asarray(path.vertices).shape[0] > 20]
    inside = np.mean([any(path.contains_point(point) for path in paths) for point in draws])
    assert 0.84 < inside < 0.96


@pytest.mark.parametrize("label", ["$\\frac{1}{2}$", "$open", "$$\\bad{$$", "_private", "", "\x00", "x" * 10_000])
@pytest.mark.parametrize("name", ["map", "matrix", "samples", "bars", "match"])
def test_labels_are_text_not_mathematics(ax: Axes, label: str, name: str) -> None:
    if name == "map":
        plots.umap_map(ax, X, Y, [label] * 60)
    elif name == "matrix":
        plots.confusion_matrix(ax, [[1, 0], [0, 1]], [label, "other"])
    elif name == "samples":
        plots.class_samples(ax, np.ones((2, 3, 3)), [label, "other"])
    elif name == "bars":
        plots.accuracy_bars(ax, score(label, 0.9), [])
    else:
        plots.prior_match_grid(ax, [fit(label, 0.5)])
    draw(ax)
    legend = ax.get_legend()
    texts = [*ax.get_yticklabels(), *(legend.get_texts() if legend else [])]
    assert all(len(text.get_text()) <= 60 for text in texts)


def test_confusion_matrix_shows_each_count_up_to_twenty_classes(ax: Axes) -> None:
    plots.confusion_matrix(ax, [[1234, 1], [0, 7]], ["a", "b"])
    assert {text.get_text() for text in ax.texts} == {"1,234", "1", "7"}


def test_confusion_matrix_of_a_class_without_rows(ax: Axes) -> None:
    draw(plots.confusion_matrix(ax, np.diag([3, 0, 2]), ["a", "b", "c"]))


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 4), (200, 130, 3)])
def test_images_of_any_depth_and_size(ax: Axes, shape: tuple[int, ...]) -> None:
    draw(plots.image_pairs(ax, RNG.random((12, *shape)), RNG.random((12, *shape))))
    height, width = np.asarray(ax.images[0].get_array()).shape[:2]
    assert max(height, width) < 800


def test_reconstruction_stands_below_its_original(ax: Axes) -> None:
    plots.image_pairs(ax, np.full((1, 3, 3), 8.0) * np.eye(3), np.full((1, 3, 3), 8.0) * np.eye(3)[::-1])
    pixels = np.asarray(ax.images[0].get_array())[..., 0]
    np.testing.assert_array_equal(pixels[:3], np.eye(3))
    np.testing.assert_array_equal(pixels[-3:], np.eye(3)[::-1])


def test_samples_without_classes_fill_a_block(ax: Axes) -> None:
    draw(plots.class_samples(ax, RNG.random((30, 4, 4)), [""] * 30))
    assert {tick.get_text() for tick in ax.get_yticklabels()} <= {"", "(empty)"}


def test_losses_over_several_magnitudes_get_a_logarithmic_axis(ax: Axes) -> None:
    plots.training_curves(ax, pd.DataFrame({"epoch": [1, 2], "x_loss": [100.0, 0.1]}))
    assert ax.get_yscale() == "log"


def test_one_epoch_is_visible(ax: Axes) -> None:
    plots.training_curves(ax, HISTORY.iloc[:1])
    assert all(line.get_marker() == "o" for line in ax.lines)


def test_interval_of_the_model_is_where_it_was_measured(ax: Axes) -> None:
    plots.accuracy_bars(ax, score("model", 0.95), [score("better", 0.97)])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["model", "better"]
    np.testing.assert_allclose(np.asarray(ax.lines[0].get_xdata()), [0.92, 0.97])


def test_the_grid_shows_each_ratio_in_its_cell_and_colours_it_by_verdict(ax: Axes) -> None:
    plots.prior_match_grid(ax, [fit("overall", 40, verdict="not met"), fit("a", 0.5)])
    assert [text.get_text() for text in ax.texts] == ["40", "0.50"]
    above, below = np.asarray(ax.images[0].get_array())[:, 0, :3]
    np.testing.assert_allclose(above, to_rgb(plots.PALETTE[2]))
    np.testing.assert_allclose(below, to_rgb(plots.PALETTE[0]))


def test_label_curves_show_every_method_once_and_permuted_labels_apart(ax: Axes, make_analysis: Any) -> None:
    effect = make_analysis(classes=("a", "b"), n_rows=100, images=False).labels.effect
    assert draw(plots.label_curves(ax, effect)) is ax
    legend = ax.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert len(names) == len(set(names)) == 6
    assert {"Adversarial autoencoder", "k-NN", "permuted labels", "chance"} < set(names)


def test_calibration_curve_puts_bins_at_their_confidence_and_accuracy(ax: Axes) -> None:
    plots.calibration_curve(ax, CURVE)
    points = np.vstack([np.asarray(part.get_offsets()) for part in ax.collections])
    np.testing.assert_allclose(points, [[0.65, 0.5], [0.97, 0.9]])
    assert ax.get_xlim()[0] < 0.5


def test_axis_names_that_explain_themselves_get_no_second_unit(ax: Axes) -> None:
    name = "principal component 1 (25% of the variance)"
    plots.latent_map(ax, X, Y, x_name=name, y_name="z1")
    assert ax.get_xlabel() == name
    assert ax.get_ylabel() == "z1 (latent units)"


def test_unknown_effects_leave_a_gap(ax: Axes) -> None:
    draw(plots.prior_match_grid(ax, [dataclasses.replace(fit("a", 1.0), effect_ratio=float("nan")), fit("b", 2.0)]))


def test_profiles_are_coloured_by_side_of_the_mean_and_constant_features_not_at_all(ax: Axes) -> None:
    plots.feature_profiles(ax, PROFILES, ["y", "$x"])
    pixels = np.asarray(ax.images[0].get_array())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["y", r"\$x"]
    assert (pixels[0, :, 3] == 0).all()
    np.testing.assert_allclose(pixels[1, 0, :3], to_rgb(plots.PALETTE[2]))
    np.testing.assert_allclose(pixels[1, 1, :3], to_rgb(plots.PALETTE[0]))
    assert [text.get_text() for text in ax.texts] == ["2", "4", "1", "5"]


def test_neighbours_are_told_with_their_interval_and_dead_axes_are_marked(ax: Axes) -> None:
    plots.neighbour_recall(ax, SPACE)
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["codes, 3 axes", "UMAP, 2 axes", "PCA, 2 axes", "UMAP, 2 axes", "PCA, 2 axes"]
    shown = [text.get_text() for text in ax.texts if text.get_text().endswith("%")]
    assert shown == [f"{part.recall[1].value:.0%}" for part in SPACE.preservation]
    other = ax.figure.add_subplot()  # type: ignore[union-attr]
    plots.axis_spread(other, SPACE.spread, SPACE.dead_axes)
    assert SPACE.dead_axes == (2,)
    assert [list(np.asarray(line.get_xdata())) for line in other.lines] == [[2]]
