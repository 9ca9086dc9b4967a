from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.analysis import result_from_json
from aaetools.analysis.results import Clustering
from aaetools.runs import read_analysis


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_the_clusters_of_the_run_are_found_again_and_described(copy: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("cluster", copy, "--quiet")
    assert (result.code, result.err, result.out) == (0, "", f"{copy / 'clusters.json'}\n")
    found = result_from_json((copy / "clusters.json").read_text(), Clustering)
    of_run = read_analysis(copy)
    assert (found.method, found.n_clusters, found.sizes) == ("kmeans", 3, of_run.clustering.sizes)
    assert found.agreement is not None
    assert of_run.clustering.agreement is not None
    assert found.agreement.accuracy == of_run.clustering.agreement.accuracy
    # labels of held-out rows only, although the data know them all
    assert found.agreement.n == of_run.data.n_holdout == 15
    assert [profile.features[0].feature for profile in found.profiles] != []
    assert {effect.feature for p in found.profiles for effect in p.features} == {"stem", "leaf", "petal", "root"}
    assert all(row.startswith("plant-") for profile in found.profiles for row in profile.typical_ids)


def test_the_table_tells_measures_clusters_and_ends_with_the_path(copy: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("cluster", copy, "--choose", "silhouette", "--max-clusters", "4")
    assert result.code == 0
    for words in ("accuracy, matched one to one", "stability", "CLUSTER", "plant-", "petal +", "SILHOUETTE", "3 *"):
        assert words in result.out
    assert result.out.splitlines()[-1] == str(copy / "clusters.json")
    assert all(len(line) < 200 for line in result.out.splitlines())


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_row_and_its_cluster_go_to_a_table(
    copy: Path, tmp_path: Path, run_cli: Callable[..., Any], suffix: str
) -> None:
    place = tmp_path / f"rows{suffix}"
    result = run_cli(
        "cluster", copy, "--method", "hdbscan", "--min-cluster-size", "5", "--assignments", place, "--json"
    )
    assert result.code == 0, result.err
    told = json.loads(result.out)["result"]
    table = pd.read_csv(place) if suffix == ".csv" else pd.read_parquet(place)
    assert list(table.columns) == ["row", "split", "cluster", "distance_to_centre", "label_given", "label_true"]
    assert list(table["row"]) == list(read_analysis(copy).tables.rows["row"])
    sizes = np.bincount(table["cluster"] + 1, minlength=told["n_clusters"] + 1)
    assert sizes.tolist() == [told["n_noise"], *told["sizes"]]
    assert (table["distance_to_centre"].isna() == (table["cluster"] == -1)).all()
    again = run_cli("cluster", copy, "--assignments", place)
    assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "n", "n_compared"),
    [
        (("--split", "train", "--method", "prior"), 45, 27),  # 18 of 45 training rows were labelled
        (("--split", "holdout", "--n-clusters", "2", "--method", "agglomerative"), 15, 15),
        (("--n-clusters", "4", "--method", "spectral"), 60, 15),
    ],
)
def test_only_labels_that_training_did_not_see_are_compared(
    copy: Path, run_cli: Callable[..., Any], options: tuple[str, ...], n: int, n_compared: int
) -> None:
    result = run_cli("cluster", copy, *options, "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)["result"]
    assert (told["n"], told["agreement"]["n"]) == (n, n_compared)


def test_a_run_without_labels_has_clusters_without_agreement(
    tmp_path: Path, table: pd.DataFrame, run_cli: Callable[..., Any]
) -> None:
    table.drop(columns="species").to_csv(tmp_path / "plain.csv", index=False)
    run = tmp_path / "run"
    made = run_cli("fit", tmp_path / "plain.csv", "--epochs", "2", "--no-umap", "--hold-out", "0", "--out", run)
    assert made.code == 0, made.err
    result = run_cli("cluster", run, "--method", "gaussian_mixture", "--json", "--max-clusters", "3")
    assert result.code == 0, result.err
    told = json.loads(result.out)["result"]
    assert told["agreement"] is None
    assert told["choice"]["criterion"] == "silhouette"
    refused = run_cli("cluster", run, "--split", "holdout")
    assert (refused.code, "the run has no holdout rows" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "dbscan"), "unknown clustering method 'dbscan': choose from kmeans"),
        (("--choose", "elbow"), "unknown way to choose the number of clusters 'elbow'"),
        (("--n-clusters", "3", "--choose", "gap"), "nothing for 'gap' to choose"),
        (("--n-clusters", "61"), "61 clusters were asked for but there are only 60 rows"),
        (("--n-clusters", "two"), "neither auto nor a whole number"),
        (("--method", "hdbscan", "--n-clusters", "3"), "hdbscan finds the number of clusters itself"),
        (("--method", "prior", "--n-clusters", "4"), "the prior has 3 components"),
        (("--min-cluster-size", "4"), "--min-cluster-size is for hdbscan"),
        (("--assignments", "rows.txt"), "choose from .csv, .parquet"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    copy: Path, run_cli: Callable[..., Any], options: tuple[str, ...], message: str
) -> None:
    result = run_cli("cluster", copy, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (copy / "clusters.json").exists()
