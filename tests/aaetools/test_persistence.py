"""Saved models come back bit for bit, and whatever is wrong with their files is one clear error."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import DataError, ModelFileError
from aaetools.persistence import MODEL_SCHEMA_VERSION, load, save
from aaetools.priors import RingPrior, SampledPrior

FILES = ("manifest.json", "meta.json", "weights.safetensors")
X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
CODES = np.arange(40) % 2


def fit(y: Any = None, data: Any = X, **parameters: Any) -> AdversarialAutoencoder:
    parameters = {"max_epochs": 1, "hidden_layer_sizes": (8,), "random_state": 0, **parameters}
    model = AdversarialAutoencoder(**parameters)
    model.fit(data, y)
    return model


def partly(labels: list[Any]) -> NDArray[Any]:
    """Label every other pair of rows."""
    y = np.array([labels[code] for code in CODES], dtype=object)
    y[2::4] = None
    y[3::4] = None
    return y


@pytest.fixture(scope="module")
def model() -> AdversarialAutoencoder:
    return fit(np.where(np.arange(40) % 4 < 2, CODES, -1))


@pytest.fixture(scope="module")
def saved(model: AdversarialAutoencoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(model, tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model small enough to be damaged in every place."""
    model = fit(hidden_layer_sizes=(2,), n_components=1, data=X[:, :2])
    return save(model, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return shutil.copytree(saved, tmp_path / "model")


def assert_same(again: AdversarialAutoencoder, model: AdversarialAutoencoder, data: NDArray[Any] = X) -> None:
    """Assert that two fitted models cannot be told apart by what they answer."""
    np.testing.assert_array_equal(again.transform(data), model.transform(data))
    codes = model.transform(data)
    np.testing.assert_array_equal(again.inverse_transform(codes), model.inverse_transform(codes))
    np.testing.assert_array_equal(again.score_samples(data), model.score_samples(data))
    np.testing.assert_array_equal(again.sample(5, random_state=1), model.sample(5, random_state=1))
    assert again.classes_.dtype == model.classes_.dtype
    assert again.classes_.tolist() == model.classes_.tolist()
    assert [type(label) for label in again.classes_.tolist()] == [type(v) for v in model.classes_.tolist()]
    if len(model.classes_):
        np.testing.assert_array_equal(again.predict(data), model.predict(data))
        np.testing.assert_array_equal(again.predict_proba(data), model.predict_proba(data))
    assert again.history_ == model.history_
    assert again.prior_ == model.prior_
    for name in ("n_iter_", "n_features_in_", "n_components_", "n_propagated_", "n_weights_", "scaling_"):
        assert getattr(again, name) == getattr(model, name)


# Round trips


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(np.where(np.arange(40) % 4 < 2, 7 * CODES, -1), id="integers"),
        pytest.param(partly(["no", "naïve, 日本 </script>"]), id="strings"),
        pytest.param(np.array(["a", "bb"])[CODES], id="strings without gaps"),
        pytest.param(partly([False, True]), id="booleans"),
        pytest.param(CODES.astype(bool), id="booleans without gaps"),
        pytest.param(None, id="no labels"),
    ],
)
@pytest.mark.parametrize("recipe", ["few-labels", "paper"])
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, y: Any, recipe: str) -> None:
    model = fit(y, recipe=recipe)
    assert_same(load(save(model, tmp_path / "m")), model)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((40, 6), {"prior": "ring"}),
        ((40, 6), {"prior": RingPrior(n_dims=3, n_classes=2, weights=(0.25, 0.75), radius=2.0)}),
        ((40, 6), {"prior": "gaussian", "n_components": 3}),
        ((40, 6), {"prior": "swiss_roll"}),
        ((40, 6), {"prior": "uniform"}),
        ((40, 3, 2), {}),
        ((40, 2, 2, 3), {}),
        ((40, 6), {"image_shape": (3, 2)}),
        ((40, 4, 5), {"architecture": "conv"}),
        ((40, 5, 4, 2), {"architecture": "conv", "scaling": "none"}),
    ],
)
def test_priors_images_and_architectures_come_back(
    tmp_path: Path, shape: tuple[int, ...], parameters: dict[str, Any]
) -> None:
    data = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    model = fit(CODES, data, **parameters)
    again = load(save(model, tmp_path / "m"))
    assert_same(again, model, data)
    assert again.inverse_transform(again.transform(data)).shape == data.shape
    assert again.sample_shape_ == model.sample_shape_


def test_parameters_and_feature_names_come_back_and_the_model_can_be_fitted_again(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"f {i}" for i in range(6)])
    model = fit(CODES, frame, batch_size=np.int64(16), unlabeled=np.nan, random_state=np.random.RandomState(3))
    again = load(save(model, tmp_path / "m"))
    assert list(again.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(again.transform(frame), model.transform(frame))
    given, kept = model.get_params(), again.get_params()
    changed = {name for name in given if kept[name] != given[name]}
    # NaN means the same as None, and a generator's state is not kept
    assert changed == {"unlabeled", "random_state"}
    assert kept["unlabeled"] is None
    assert kept["random_state"] is None
    assert again.fit(frame, CODES).n_iter_ == 1


def test_a_loaded_model_can_be_saved_again_to_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = save(load(saved), tmp_path / "again")
    assert {name: (again / name).read_bytes() for name in FILES} == {
        name: (saved / name).read_bytes() for name in FILES
    }


def test_a_run_folder_is_searched_for_its_model(folder: Path, model: AdversarialAutoencoder) -> None:
    np.testing.assert_array_equal(load(folder.parent).transform(X), model.transform(X))


def test_loading_leaves_the_global_generators_alone(saved: Path) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    load(saved)
    assert bool((torch.random.get_rng_state() == before[0]).all())
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]


# The user's own parts


class OwnEncoder(nn.Module):
    """Two layers that share their weights."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        codes: Tensor = self.last(self.second(self.first(x).relu()).relu())
        return codes


def test_the_users_own_encoder_is_needed_again_and_only_its_weights_are_kept(tmp_path: Path) -> None:
    model = fit(CODES, encoder=OwnEncoder(), prior="ring")
    folder = save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"own encoder; give encoder= to load"):
        load(folder)
    fresh = OwnEncoder()
    untouched = {name: value.clone() for name, value in fresh.state_dict().items()}
    assert_same(load(folder, encoder=fresh), model)
    assert all(torch.equal(value, untouched[name]) for name, value in fresh.state_dict().items())
    with pytest.raises(ModelFileError, match="cannot be rebuilt: Error"):
        load(folder, encoder=OwnEncoder(5))


def test_all_parts_can_be_the_users_own(tmp_path: Path) -> None:
    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, z: Tensor, entries: Tensor | None = None) -> Tensor:
            logits: Tensor = self.layer(z)
            return logits[:, 0]

    own: dict[str, Any] = {"encoder": OwnEncoder(), "decoder": nn.Linear(2, 6), "discriminator": Judge()}
    model = fit(None, n_components=2, **own)
    folder = save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match="give decoder=, discriminator= to load"):
        load(folder, encoder=own["encoder"])
    assert_same(load(folder, **own), model)


def two_lines(n: int, labels: Tensor | None, generator: torch.Generator | None) -> Tensor:
    along = torch.rand((n, 2), generator=generator)
    return along if labels is None else along + 3 * labels[:, None]


@pytest.mark.parametrize("y", [CODES, None], ids=["labels", "no labels"])
def test_the_users_own_sampler_is_needed_again(tmp_path: Path, y: Any) -> None:
    model = fit(y, prior=two_lines)
    folder = save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"own prior; give prior= to load"):
        load(folder)
    assert_same(load(folder, prior=two_lines), model)
    given = SampledPrior(n_dims=2, n_classes=0 if y is None else 2, sampler=two_lines)
    assert_same(load(folder, prior=given), model)


class WideRing(RingPrior):
    """A prior that the library does not know."""

    name = "wide ring"


def test_the_users_own_kind_of_prior_is_needed_again(tmp_path: Path) -> None:
    given = WideRing(n_dims=2, n_classes=2, radius=3.0)
    model = fit(CODES, prior=given)
    folder = save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"own prior; give prior= to load"):
        load(folder)
    assert_same(load(folder, prior=given), model)


# Damage


@pytest.mark.parametrize("name", FILES)
def test_every_shorter_file_is_refused(tiny: Path, name: str) -> None:
    content = (tiny / name).read_bytes()
    file = tiny / name
    try:
        for length in range(len(content) - 1, -1, -1):
            os.truncate(file, length)
            with pytest.raises(ModelFileError, match=name) as caught:
                load(tiny)
            assert "\n" not in str(caught.value)
        file.write_bytes(content + b"\n")
        with pytest.raises(ModelFileError, match=name):
            load(tiny)
    finally:
        file.write_bytes(content)
    load(tiny)


@pytest.mark.slow
def test_a_thousand_changed_bytes_are_refused(tiny: Path) -> None:
    contents = {name: (tiny / name).read_bytes() for name in FILES}
    rng = np.random.default_rng(0)
    try:
        for flip in range(1002):
            name = FILES[flip % 3]
            damaged = bytearray(contents[name])
            damaged[rng.integers(len(damaged))] ^= int(rng.integers(1, 256))
            (tiny / name).write_bytes(damaged)
            with pytest.raises(ModelFileError, match=r"is damaged") as caught:
                load(tiny)
            assert "\n" not in str(caught.value)
            (tiny / name).write_bytes(contents[name])
    finally:
        for name, content in contents.items():
            (tiny / name).write_bytes(content)
    load(tiny)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"sha256": []}', b"1" * 5_000])
def test_other_content_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=name):
        load(folder)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object] | None = None) -> None:
    """Change ``meta.json`` and make the checksums fit again, as somebody would who edits a model by hand."""
    meta = json.loads((folder / "meta.json").read_text())
    if change is not None:
        change(meta)
    (folder / "meta.json").write_text(json.dumps(meta))
    names = ("meta.json", "weights.safetensors")
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps({"sha256": sums}, indent=1, sort_keys=True) + "\n")


def test_rewriting_alone_harms_nothing(folder: Path, model: AdversarialAutoencoder) -> None:
    rewrite(folder)
    assert_same(load(folder), model)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda meta: meta.update(schema_version=MODEL_SCHEMA_VERSION + 1), "4, this aaetools reads 3"),
        (lambda meta: meta.update(schema_version=None), "schema version None"),
        (lambda meta: meta.pop("schema_version"), "schema version None"),
        (lambda meta: meta.update(extra=1), "not what this aaetools writes"),
        (lambda meta: meta.pop("aaetools_version"), "not what this aaetools writes"),
        (lambda meta: meta.update(estimator="Pickle"), "not what this aaetools writes"),
        (lambda meta: meta.update(estimator=[]), "not what this aaetools writes"),
        (lambda meta: meta.update(state=[]), "not what this aaetools writes"),
        (lambda meta: meta["state"].update(extra=1), "not what this aaetools writes"),
        (lambda meta: meta["state"].pop("scaling"), "not what this aaetools writes"),
        (lambda meta: meta["state"]["parameters"].update(extra=1), "cannot be rebuilt.*extra"),
        (lambda meta: meta["state"]["parameters"].update(architecture="rnn"), "cannot be rebuilt"),
        (lambda meta: meta["state"].update(hidden_layer_sizes=[9]), "cannot be rebuilt"),
        (lambda meta: meta["state"]["prior"].update(name="none"), "cannot be rebuilt: unknown prior"),
        (lambda meta: meta["state"]["prior"].update(n_dims=-1), "cannot be rebuilt"),
        (lambda meta: meta["state"]["prior"].update(extra=1), "cannot be rebuilt.*extra"),
        (lambda meta: meta["state"].update(n_features="six"), "cannot be rebuilt"),
        (lambda meta: meta["state"]["classes"].update(dtype="no such type"), "cannot be rebuilt"),
        (lambda meta: meta["state"]["history"].clear(), "cannot be rebuilt.*epoch"),
        (lambda meta: meta["state"].update(own=["decoder"]), "give decoder= to load"),
        (lambda meta: meta["state"].update(columns=[{"name": "a"}]), "cannot be rebuilt: the encoding of a column"),
        (lambda meta: meta["state"].pop("columns"), "not what this aaetools writes"),
    ],
)  # fmt: skip
def test_odd_settings_with_fitting_checksums_are_refused(folder: Path, change: Any, words: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelFileError, match=words) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_missing_odd_and_unknown_weights_are_refused(folder: Path) -> None:
    file = folder / "weights.safetensors"
    weights = load_tensors(file.read_bytes())
    first = next(name for name in weights if name.startswith("encoder.") and weights[name].ndim == 2)
    for changed, words in (
        ({name: value for name, value in weights.items() if name != first}, "cannot be rebuilt"),
        ({**weights, first: torch.zeros(1)}, "cannot be rebuilt"),
        ({**weights, "encoder.more": torch.zeros(1)}, "cannot be rebuilt"),
        ({**weights, "spy.more": torch.zeros(1)}, "unknown weights 'spy.more'"),
        ({name: value for name, value in weights.items() if name != "scaler.scale"}, "cannot be rebuilt"),
    ):
        save_file(changed, file)
        rewrite(folder)
        with pytest.raises(ModelFileError, match=words):
            load(folder)
    file.write_bytes(b"no safetensors")
    rewrite(folder)
    with pytest.raises(ModelFileError, match="cannot be rebuilt"):
        load(folder)


def test_unknown_keys_in_the_manifest_are_refused(folder: Path) -> None:
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    more = {"sha256": {**manifest["sha256"], "weights.pkl": "0" * 64}}
    for changed in ({**manifest, "extra": 1}, more, {"sha256": {"meta.json": "0" * 64}}, {}):
        file.write_text(json.dumps(changed, indent=1, sort_keys=True) + "\n")
        with pytest.raises(ModelFileError, match=r"manifest\.json is damaged"):
            load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=rf"cannot read .*model/{name}"):
        load(folder)
    with pytest.raises(ModelFileError, match=rf"cannot read .*model/{name}"):
        load(folder.parent)  # as a run folder


def test_a_run_without_its_model_names_the_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("")
    with pytest.raises(ModelFileError, match=rf"cannot read {tmp_path}/model/manifest\.json"):
        load(tmp_path)


def test_what_is_no_model_folder_is_refused(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none is not a folder"):
        load(tmp_path / "none")
    with pytest.raises(ModelFileError, match="is not a folder"):
        load(saved / "meta.json")
    with pytest.raises(ModelFileError, match=r"cannot read .*manifest\.json"):
        load(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_links_are_refused(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(ModelFileError, match=f"{name} is a link"):
        load(folder)


def test_what_else_lies_in_the_folder_is_never_opened(
    folder: Path, model: AdversarialAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "weights.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    (folder / "sitecustomize.py").write_text("open('ran', 'w')")
    (folder / "more").symlink_to("/")
    opened: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: opened.append(file.name) or read(file))
    monkeypatch.chdir(tmp_path)
    assert_same(load(folder), model)
    assert sorted(set(opened)) == sorted(FILES)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/passwd", "weights.pkl"])
def test_a_manifest_cannot_name_another_file(folder: Path, name: str) -> None:
    sums = json.loads((folder / "manifest.json").read_text())["sha256"]
    sums[name] = sums.pop("weights.safetensors")
    (folder / "manifest.json").write_text(json.dumps({"sha256": sums}, indent=1, sort_keys=True) + "\n")
    with pytest.raises(ModelFileError, match=r"manifest\.json is damaged: it must list"):
        load(folder)


@pytest.mark.parametrize(
    "header",
    [
        (2**62).to_bytes(8, "little"),
        (2**40).to_bytes(8, "little") + b"{}",
        b'{"encoder.x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        b'{"encoder.x":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,4]}}',
        b'{"encoder.x":{"dtype":"F32","shape":[1],"data_offsets":[0,99]}}',
        b"[" * 5_000,
    ],
)
def test_a_header_that_declares_too_much_takes_no_memory(folder: Path, header: bytes) -> None:
    if header[:1] in b"{[":
        header = len(header).to_bytes(8, "little") + header
    (folder / "weights.safetensors").write_bytes(header + bytes(4))
    rewrite(folder)
    with pytest.raises(ModelFileError, match="cannot be rebuilt"):
        load(folder)


def test_pickles_and_pipes_in_the_place_of_files_are_refused(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"\x80\x05cos\nsystem\n(S'false'\ntR.")
    rewrite(folder)
    with pytest.raises(ModelFileError, match="cannot be rebuilt"):
        load(folder)
    (folder / "meta.json").unlink()
    os.mkfifo(folder / "meta.json")
    with pytest.raises(ModelFileError, match=r"meta\.json is no plain file"):
        load(folder)


def test_models_of_other_schema_versions_name_the_way_out(folder: Path) -> None:
    for version in (1, MODEL_SCHEMA_VERSION + 1):
        rewrite(folder, lambda meta, version=version: meta.update(schema_version=version, aaetools_version="0.0.9"))  # type: ignore[misc]
        with pytest.raises(ModelFileError, match=rf"version {version}, .* use aaetools 0\.0\.9 or fit again"):
            load(folder)


def test_models_from_before_there_were_kinds_of_columns_are_read(folder: Path, saved: Path) -> None:
    def older(meta: dict[str, Any]) -> None:
        meta["schema_version"] = 2
        for key in ("columns", "reconstruction"):
            del meta["state"][key]
        del meta["state"]["parameters"]["reconstruction"]

    rewrite(folder, older)
    assert_same(load(folder), load(saved))
    assert load(folder).reconstruction == "auto"


def test_a_wrong_device_is_not_blamed_on_the_files(saved: Path) -> None:
    with pytest.raises(DataError, match="device 'abacus' is not available"):
        load(saved, device="abacus")


# Where a model may go


@pytest.fixture(scope="module")
def other() -> AdversarialAutoencoder:
    return fit(CODES, random_state=9)


def test_a_model_is_replaced_only_by_force(folder: Path, other: AdversarialAutoencoder) -> None:
    before = (folder / "meta.json").read_bytes()
    with pytest.raises(ModelFileError, match=r"exists already.*force=True"):
        save(other, folder)
    assert (folder / "meta.json").read_bytes() == before
    assert save(other, folder, force=True) == folder
    assert_same(load(folder), other)
    assert os.listdir(folder.parent) == ["model"]


def test_a_damaged_model_can_be_replaced(folder: Path, other: AdversarialAutoencoder) -> None:
    (folder / "meta.json").unlink()
    (folder / "weights.safetensors").write_bytes(b"")
    save(other, folder, force=True)
    assert_same(load(folder), other)


def test_a_linked_model_is_replaced_where_it_lies(folder: Path, other: AdversarialAutoencoder) -> None:
    link = folder.parent / "latest"
    link.symlink_to(folder)
    save(other, link, force=True)
    assert link.is_symlink()
    assert_same(load(folder), other)


def test_what_is_more_or_other_than_a_model_is_never_replaced(folder: Path, other: AdversarialAutoencoder) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ModelFileError, match=r"holds 'notes\.txt', which is no part of a model"):
        save(other, folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine"
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelFileError, match="is not a model folder, so it is not replaced"):
        save(other, folder, force=True)
    with pytest.raises(ModelFileError, match="is not a model folder, so it is not replaced"):
        save(other, folder / "notes.txt", force=True)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [OSError(5, "the disk is gone"), KeyboardInterrupt()])
def test_a_failed_replacement_leaves_the_old_model_and_nothing_else(
    folder: Path,
    model: AdversarialAutoencoder,
    other: AdversarialAutoencoder,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
    error: BaseException,
) -> None:
    calls, replace = 0, os.replace

    def fails(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    expected: Any = ModelFileError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        save(other, folder, force=True)
    monkeypatch.undo()
    assert os.listdir(folder.parent) == ["model"]
    assert sorted(os.listdir(folder)) == sorted(FILES)
    assert_same(load(folder), model)


def test_a_failed_write_leaves_nothing(
    model: AdversarialAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(ModelFileError, match=r"cannot write the model to .*: No space left on device"):
        save(model, tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_is_refused(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="cannot write the model"):
        save(model, tmp_path / "file" / "m")


def test_a_parameter_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    model = fit(None)
    model.recipe_params = {"n_steps": object()}
    with pytest.raises(ModelFileError, match="parameter that JSON cannot hold"):
        save(model, tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_missing_parents_are_made(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    assert_same(load(save(model, str(tmp_path / "a" / "b"))), model)


# No code in files

UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
}
UNSAFE_CALLS = {(module, "read_pickle") for module in ("pd", "pandas")} | {
    (module, name) for module in ("torch", "joblib") for name in ("load", "save", "dump")
}


def unsafe(source: str) -> list[str]:
    """Return what could run code from a file: imports of pickling modules, and calls that unpickle."""
    found = []
    for node in ast.walk(ast.parse(source)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [m for m in modules if tuple(m.rsplit(".", 1)) in UNSAFE_CALLS]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [f"{node.value.id}.{node.attr}"] if (node.value.id, node.attr) in UNSAFE_CALLS else []
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found += [] if isinstance(node.value, ast.Constant) and node.value.value is False else ["allow_pickle"]
        found += [module for module in modules if module.split(".")[0] in UNSAFE_MODULES]
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, dill",
        "from pickle import loads",
        "from joblib import load",
        "import torch\ntorch.load('f', weights_only=True)",
        "from torch import load",
        "np.load('f', allow_pickle=True)",
        "np.load('f', allow_pickle=anything)",
        "pd.read_pickle('f')",
    ],
)
def test_unsafe_code_is_found(source: str) -> None:
    assert unsafe(source)


def test_nothing_in_the_library_unpickles() -> None:
    root = Path(__file__).parents[2]
    files = [file for name in ("aaetools", "cli", "datasets", "reports") for file in (root / name).rglob("*.py")]
    assert len(files) > 30
    assert {str(file): found for file in files if (found := unsafe(file.read_text("utf-8")))} == {}
