from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from aaetools.analysis import Analysis, Previews, analysis_to_json, analyze, result_to_json
from aaetools.analysis.classification import classify
from aaetools.analysis.results import Classification, Rejection
from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import ModelFileError, RunFolderError
from aaetools.labels import mask_labels
from aaetools.persistence import load
from aaetools.runs import check_target, is_run_folder, read_analysis, read_data_summary, with_results, write_run
from aaetools.staging import folder_lock, move_into_place, unfinished_folder

CONFIG = {"seed": 3, "hidden": (16,), "target": None, "umap": False, "data": "digits \udcff"}


class Given:
    """A fitted model with its analysis."""

    def __init__(self) -> None:
        X, y = load_digits(n_class=3, return_X_y=True)
        self.X, y = X[:120].astype(np.float32), mask_labels(y[:120], per_class=5, random_state=0)
        self.model = AdversarialAutoencoder(
            image_shape=(8, 8), hidden_layer_sizes=(16,), max_epochs=2, random_state=0
        ).fit(self.X, y)
        self.analysis = analyze(
            self.model, self.X, y, embed=False, n_resamples=19, random_state=3, command="aaetools fit"
        )

    def write(self, path: Path, *, force: bool = False, report: str = "<p>first</p>") -> Path:
        return write_run(path, self.model, self.analysis, report, CONFIG, force=force)


@pytest.fixture(scope="module")
def given() -> Given:
    return Given()


@pytest.fixture(scope="module")
def written(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return given.write(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# What is written can be read


def test_an_analysis_comes_back_as_it_was(given: Given, written: Path) -> None:
    found = read_analysis(written)
    assert analysis_to_json(found) == analysis_to_json(given.analysis)
    for name in ("rows", "history", "prior_samples"):
        pd.testing.assert_frame_equal(getattr(found.tables, name), getattr(given.analysis.tables, name))
    first, second = found.tables.images, given.analysis.tables.images
    assert first is not None
    assert second is not None
    for name in ("originals", "reconstructions", "samples", "walks"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.sample_labels == second.sample_labels
    assert first.walk_names == second.walk_names == ("0 to 1", "1 to 2", "2 to 0")
    shown, known = found.tables.previews, given.analysis.tables.previews
    assert shown is not None
    assert known is not None
    np.testing.assert_array_equal(shown.rows, known.rows)
    np.testing.assert_array_equal(shown.thumbnails, known.thumbnails)
    assert shown.features is None
    assert read_data_summary(written) == given.analysis.data


def test_the_model_comes_back_with_equal_codes(given: Given, written: Path) -> None:
    np.testing.assert_array_equal(load(written).transform(given.X), given.model.transform(given.X))


def test_run_toml_holds_the_configuration_without_what_was_not_given(given: Given, written: Path) -> None:
    document = tomllib.loads((written / "run.toml").read_text(encoding="utf-8"))
    assert document["configuration"] == {"seed": 3, "hidden": [16], "umap": False, "data": "digits ?"}
    assert (document["command"], document["seed"]) == ("aaetools fit", 3)
    assert document["data"]["n_labeled"] == 15
    assert document["versions"]["numpy"] == np.__version__
    assert set(document["sha256"]) == set(os.listdir(written)) - {"model", "report.html", "run.toml"}


def test_history_that_is_not_finite_becomes_null_and_comes_back_as_nan(given: Given, tmp_path: Path) -> None:
    from dataclasses import replace

    history = given.analysis.tables.history.assign(generator_loss=[np.inf, 1.0])
    analysis = replace(given.analysis, tables=replace(given.analysis.tables, history=history, images=None))
    write_run(tmp_path / "run", given.model, analysis, "", {})
    assert "Infinity" not in (tmp_path / "run" / "history.jsonl").read_text()
    found = read_analysis(tmp_path / "run").tables
    assert np.isnan(found.history["generator_loss"][0])
    assert found.images is None


def test_features_of_previews_come_back_and_older_runs_have_no_previews(given: Given, tmp_path: Path) -> None:
    from dataclasses import replace

    features = Previews(np.array([1, 4]), feature_names=("\udc80", "b"), features=np.ones((2, 2), dtype=np.float32))
    for previews in (features, None):
        analysis = replace(given.analysis, tables=replace(given.analysis.tables, previews=previews))
        write_run(tmp_path / "run", given.model, analysis, "", {}, force=True)
        assert (tmp_path / "run" / "previews.npz").exists() == (previews is not None)
        found = read_analysis(tmp_path / "run").tables.previews
        if previews is None:
            assert found is None
        else:
            assert found is not None
            assert found.feature_names == features.feature_names
            assert found.thumbnails is None
            np.testing.assert_array_equal(found.features, features.features)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"rows": np.array([0.5])}, "'rows'"),
        ({"rows": np.array([-1])}, "'rows'"),
        ({"rows": np.array([10**6])}, "row 1000000"),
        ({"rows": np.array([1]), "thumbnails": np.zeros((1, 8, 8))}, "'thumbnails'"),
        ({"rows": np.array([1]), "thumbnails": np.zeros((2, 8, 8), np.uint8)}, "'thumbnails'"),
        ({"rows": np.array([1]), "features": np.zeros((1, 3))}, "'features'"),
        ({"thumbnails": np.zeros((2, 8, 8), np.uint8)}, "rows"),
    ],
)
def test_previews_that_fit_no_rows_are_refused(copy: Path, arrays: dict[str, Any], message: str) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    spoil(copy, "previews.npz", buffer.getvalue())
    with pytest.raises(RunFolderError, match=f"previews.npz.*{message}"):
        read_analysis(copy)


def test_a_run_of_an_earlier_release_has_no_ways_and_no_profiles(given: Given, tmp_path: Path) -> None:
    from dataclasses import replace

    tables = given.analysis.tables
    assert tables.images is not None
    images = replace(tables.images, walks=None, walk_names=())
    write_run(tmp_path / "run", given.model, replace(given.analysis, tables=replace(tables, images=images)), "", {})
    found = read_analysis(tmp_path / "run").tables
    assert found.images is not None
    assert (found.images.walks, found.images.walk_names) == (None, ())
    assert found.profiles is None


def test_profiles_come_back_and_damage_to_them_is_named(given: Given, tmp_path: Path) -> None:
    from dataclasses import replace

    profiles = pd.DataFrame({"name": ["a"], "feature": ["x"], "decoded": [1.0], "mean": [0.5], "std": [2.0]})
    tables = replace(given.analysis.tables, images=None, profiles=profiles)
    run = write_run(tmp_path / "run", given.model, replace(given.analysis, tables=tables), "", {})
    found = read_analysis(run).tables.profiles
    assert found is not None
    pd.testing.assert_frame_equal(found, profiles)
    spoil(run, "profiles.parquet", profiles.drop(columns="mean").to_parquet(index=False))
    with pytest.raises(RunFolderError, match=r"profiles\.parquet is damaged.*there is no column 'mean'"):
        read_analysis(run)


# Where a run may be written


def test_a_checked_target_leaves_no_trace(tmp_path: Path) -> None:
    check_target(tmp_path / "a" / "b" / "run")
    assert os.listdir(tmp_path) == []


def test_missing_parents_are_made_and_an_empty_folder_is_used(given: Given, tmp_path: Path) -> None:
    given.write(tmp_path / "a" / "b" / "run")
    (tmp_path / "empty").mkdir()
    given.write(tmp_path / "empty")
    assert is_run_folder(tmp_path / "empty")
    assert sorted(os.listdir(tmp_path)) == ["a", "empty"]
    assert os.listdir(tmp_path / "a" / "b") == ["run"]


def test_an_old_run_is_replaced_only_when_forced(given: Given, copy: Path) -> None:
    (copy / ".DS_Store").touch()
    before = snapshot(copy)
    with pytest.raises(RunFolderError, match=r"is there already.*--force"):
        given.write(copy, report="<p>second</p>")
    assert snapshot(copy) == before
    given.write(copy, report="<p>second</p>", force=True)
    assert (copy / "report.html").read_text() == "<p>second</p>"
    assert os.listdir(copy.parent) == [copy.name]


def test_a_linked_run_is_replaced_where_it_lies(given: Given, copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(copy)
    given.write(link, report="<p>second</p>", force=True)
    assert link.is_symlink()
    assert (copy / "report.html").read_text() == "<p>second</p>"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("x"), "is no folder"),
        (lambda path: (path / "sub").mkdir(parents=True), "is not a run of aaetools"),
    ],
)
def test_what_is_no_run_is_never_replaced(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    make(tmp_path / "there")
    for force in (False, True):
        with pytest.raises(RunFolderError, match=message):
            check_target(tmp_path / "there", force)


def test_a_run_with_a_foreign_file_in_it_is_not_replaced(given: Given, copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds 'notes\.txt'"):
        given.write(copy, force=True)
    assert (copy / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["/proc/run", "/proc/a/b/run", "x" * 300, "nul\0", "file/run"])
def test_unwritable_places_are_refused_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot write"):
        check_target(name)
    assert os.listdir(tmp_path) == ["file"]


# Failures on the way


class FailAt:
    """Stands in for a function of ``os`` and fails at its n-th call."""

    def __init__(self, function: Callable[..., Any], n: int) -> None:
        self.function, self.left = function, n

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")
        return self.function(*arguments, **options)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("step", "n"), [*(("fsync", n) for n in range(1, 18)), *(("replace", n) for n in range(1, 4))])
def test_whichever_step_fails_the_old_run_survives_and_nothing_is_left(
    given: Given, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, step: str, n: int
) -> None:
    target = tmp_path / "new" / "run"
    if old:
        shutil.copytree(written, target)
    before = snapshot(tmp_path)
    failing = FailAt(getattr(os, step), n)
    monkeypatch.setattr(os, step, failing)
    failed = ""
    try:
        given.write(target, force=old, report="<p>second</p>")
    except (RunFolderError, ModelFileError) as error:
        failed = str(error)
    if failed:
        assert "No space left on device" in failed
        assert snapshot(tmp_path) == before
        assert os.listdir(tmp_path) == (["new"] if old else [])
    else:
        assert (target / "report.html").read_text() == "<p>second</p>"
    if target.exists():
        assert os.listdir(target.parent) == ["run"]
        read_analysis(target)


def test_an_interrupt_while_writing_leaves_nothing(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        given.write(tmp_path / "a" / "run")
    assert os.listdir(tmp_path) == []


# Two at once


def test_two_processes_do_not_write_one_run(given: Given, tmp_path: Path) -> None:
    target = tmp_path / "a" / "run"
    with folder_lock(unfinished_folder(target)):
        with pytest.raises(RunFolderError, match=r"run\.unfinished is in use: another process is at work there"):
            given.write(target)
        assert os.listdir(tmp_path / "a") == ["run.unfinished"]
        write_run(target, given.model, given.analysis, "", CONFIG, lock=False)  # as one who holds the lock
    assert os.listdir(tmp_path / "a") == ["run"]
    read_analysis(target)


def test_while_a_run_is_written_no_other_process_can_begin_it(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys, pathlib, aaetools.staging as s\nwith s.folder_lock(pathlib.Path(sys.argv[1])): pass"
    others = []

    def meanwhile(source: Path, place: Path) -> None:
        locked = str(unfinished_folder(tmp_path / "run"))
        others.append(subprocess.run([sys.executable, "-c", code, locked], capture_output=True, text=True))
        move_into_place(source, place)

    monkeypatch.setattr("aaetools.staging.move_into_place", meanwhile)
    given.write(tmp_path / "run")
    assert "another process is at work there" in others[0].stderr
    assert os.listdir(tmp_path) == ["run"]


def test_a_run_that_appeared_meanwhile_is_not_replaced(
    given: Given, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(copy)
    monkeypatch.setattr("aaetools.runs.check_target", lambda *arguments: None)
    with pytest.raises(RunFolderError, match="is there already"):
        given.write(copy, report="<p>second</p>")
    assert snapshot(copy.parent) == {f"copy/{name}": content for name, content in before.items()}


# Damage

FILES = (
    "analysis.json",
    "history.jsonl",
    "images.npz",
    "latents.parquet",
    "previews.npz",
    "prior_samples.parquet",
    "run.toml",
)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is missing"):
        read_analysis(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_named(copy: Path, name: str, share: float) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        read_analysis(copy)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_flipped_bit_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=f"{name} is damaged: its checksum"):
        read_analysis(copy)


def spoil(run: Path, name: str, content: bytes) -> None:
    """Replace a file and its checksum, as somebody would who edits a run by hand."""
    import hashlib

    toml = (run / "run.toml").read_text(encoding="utf-8")
    old, new = (hashlib.sha256(c).hexdigest() for c in ((run / name).read_bytes(), content))
    (run / name).write_bytes(content)
    (run / "run.toml").write_text(toml.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("analysis.json", b"{}"),
        ("analysis.json", b"\xff"),
        ("analysis.json", b'{"schema_version": 1}'),
        ("history.jsonl", b"{"),
        ("images.npz", b"PK"),
        ("latents.parquet", b"PAR1"),
    ],
)
def test_files_that_make_no_sense_are_named_even_if_their_checksum_fits(copy: Path, name: str, content: bytes) -> None:
    spoil(copy, name, content)
    with pytest.raises(RunFolderError, match=name) as caught:
        read_analysis(copy)
    assert "\n" not in str(caught.value)


def test_tables_of_another_shape_are_refused(copy: Path, given: Given) -> None:
    rows = given.analysis.tables.rows
    for changed, message in (
        (rows.drop(columns="cluster"), "there is no column 'cluster'"),
        (rows.assign(z0="a"), "column 'z0' does not hold numbers"),
        (rows.assign(split="test"), "'split'"),
        (rows.head(5), "it has 5 rows"),
    ):
        spoil(copy, "latents.parquet", changed.to_parquet(index=False))
        with pytest.raises(RunFolderError, match=message):
            read_analysis(copy)


@pytest.mark.parametrize(("name", "message"), [("none", "no such run folder"), ("", "is not a run folder")])
def test_what_is_no_run_is_not_read(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RunFolderError, match=message):
        read_analysis(tmp_path / name)


def test_the_result_is_an_analysis(written: Path) -> None:
    assert isinstance(read_analysis(written), Analysis)


def scored(n: int, **changes: Any) -> Classification:
    true = np.arange(n) % 3
    found, _ = classify(true, np.roll(true, 1), [0, 1, 2], n_bootstrap=20, random_state=0)
    return replace(found, **changes)


def test_what_later_commands_found_is_in_the_analysis_as_far_as_it_judges_the_same_rows(
    given: Given, written: Path, copy: Path
) -> None:
    assert with_results(given.analysis, written) is given.analysis
    judged = replace(given.analysis, classification=scored(30))
    rejection = Rejection(
        0.05, 0.95, "held-out labels", 9, 3, 0.1, 0.04, None, None, None, "too few", "No rule can be promised."
    )
    place = copy / "classification.json"
    same = scored(30, verdict="more baselines", rejection=rejection)
    place.write_text(result_to_json(same))
    assert with_results(judged, copy).classification == same
    place.write_text(result_to_json(scored(20, verdict="of other rows", rejection=rejection)))
    found = with_results(judged, copy).classification
    assert found is not None
    assert judged.classification is not None
    assert (found.rejection, found.verdict) == (rejection, judged.classification.verdict)


def test_a_damaged_result_is_named(given: Given, copy: Path) -> None:
    (copy / "label-effect.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"label-effect\.json"):
        with_results(given.analysis, copy)
