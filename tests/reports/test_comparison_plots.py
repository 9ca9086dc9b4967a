"""Each figure of a comparison says what it shows, and shows what it is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aaetools.analysis.results import Interval
from aaetools.reports import comparison_plots as plots

NAMES = ["a", "$b$", "_c"]


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def shown(ax: Axes) -> list[str]:
    ax.figure.canvas.draw()  # type: ignore[union-attr]
    return [text.get_text() for text in ax.texts]


def test_runs_differ_in_colour_marker_and_dash() -> None:
    styles = plots.run_styles([str(i) for i in range(12)])
    assert len(set(styles.values())) == 12
    assert len({color for color, _, _ in list(styles.values())[:10]}) == 10


def test_accuracies_stand_in_order_and_missing_ones_are_left_out(ax: Axes) -> None:
    values = [Interval(0.9, 0.85, 0.93, 100), None, Interval(0.7, 0.6, 0.8, 100)]
    assert plots.accuracy_intervals(ax, NAMES, values) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "\u2060_c"]
    assert shown(ax) == ["90.0%", "70.0%"]
    assert ax.yaxis.get_inverted()
    assert "%" in ax.get_xlabel()


def test_differences_that_may_be_chance_are_grey(ax: Axes) -> None:
    gaps = [Interval(0.1, 0.05, 0.15, 100), Interval(-0.1, -0.2, -0.02, 100), Interval(0.0, float("nan"), 0.1, 9)]
    plots.paired_differences(ax, ["better", "worse", "chance"], gaps, [True, True, False])
    points = [line for line in ax.lines if line.get_marker() in "Do"]
    assert [line.get_color() for line in points] == [plots.PALETTE[0], plots.PALETTE[2], plots.MUTED]
    assert [line.get_xdata()[0] for line in points] == [0.1, -0.1, 0.0]  # type: ignore[index]


def test_classes_are_named_and_gaps_left_out(ax: Axes) -> None:
    recalls = {"b": [Interval(0.1, 0.0, 0.2, 9), None], "c": [Interval(0.0, -0.1, 0.1, 9)] * 2}
    plots.class_differences(ax, ["cat", "dog"], recalls, plots.run_styles(["a", "b", "c"]))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog"]
    assert sum(line.get_marker() != "None" for line in ax.lines) == 3


def test_more_hits_and_fewer_errors_are_blue(ax: Axes) -> None:
    plots.confusion_difference(ax, [[2, -2, 0], [1, -1, 0], [0, 0, 0]], ["x", "y", "z"])
    pixels = np.asarray(ax.images[0].get_array())
    blue = pixels[..., 2] > pixels[..., 0]
    seen = pixels[..., 3] > 0
    assert blue[seen].tolist() == [True, True, False, False]
    assert shown(ax) == ["+2", "\N{MINUS SIGN}2", "+1", "\N{MINUS SIGN}1"]
    assert not seen[2].any()


def test_no_change_at_all_is_an_empty_matrix(ax: Axes) -> None:
    plots.confusion_difference(ax, np.zeros((30, 30), dtype=int), [str(i) for i in range(30)], title="none")
    assert shown(ax) == []
    assert ax.get_title(loc="left") == "none" or ax.get_title() == "none"


def test_curves_are_running_means_and_runs_without_the_column_are_left_out(ax: Axes) -> None:
    rng = np.random.default_rng(0)
    noisy = pd.DataFrame({"epoch": np.arange(1, 501), "loss": 1 + 0.1 * rng.normal(size=500)})
    short = pd.DataFrame({"epoch": [1, 2, 3], "loss": [100.0, 10.0, 1.0]})
    plots.overlaid_curves(
        ax, {"a": noisy, "b": short, "c": noisy[["epoch"]]}, "loss", title="Loss", unit="loss (mean per row)"
    )
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    assert len(drawn) == 2
    assert drawn[0].std() < 0.5 * noisy["loss"].std()
    assert drawn[1].tolist() == [100, 10, 1]
    assert ax.get_yscale() == "log"


def test_shares_are_drawn_in_per_cent(ax: Axes) -> None:
    history = pd.DataFrame({"epoch": [1, 2], "accuracy": [0.9, 0.5]})
    plots.overlaid_curves(ax, {"a": history}, "accuracy", title="Accuracy", unit="accuracy (%)", share=True)
    ax.figure.canvas.draw()  # type: ignore[union-attr]
    assert all(tick.get_text().endswith("%") for tick in ax.get_yticklabels())


def test_unknown_agreement_is_a_dash(ax: Axes) -> None:
    plots.agreement_matrix(ax, [[1.0, 0.5, np.nan], [0.5, 1.0, 0.25], [np.nan, 0.25, 1.0]], NAMES)
    assert shown(ax).count("\N{EN DASH}") == 2
    assert "0.25" in shown(ax)
