"""An exported file answers as the model does, says what it is, and is not written where it would not."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError

import aaetools
from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.columns import ColumnCodec
from aaetools.exceptions import DataError, ModelFileError
from aaetools.export import export_onnx
from aaetools.export.posteriors import POSTERIORS
from aaetools.priors import PRIORS, RingPrior, SampledPrior

X = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
Y = np.arange(60) % 3


def fit(y: Any = Y, data: Any = X, **parameters: Any) -> AdversarialAutoencoder:
    given = {"max_epochs": 2, "hidden_layer_sizes": (8,), "random_state": 0, **parameters}
    model: AdversarialAutoencoder = AdversarialAutoencoder(**given)
    return model.fit(data, y)


def answers(file: Path, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    session = onnxruntime.InferenceSession(str(file))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"X": rows}), strict=True))


@pytest.fixture(scope="module")
def model() -> AdversarialAutoencoder:
    return fit()


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "architecture", "epochs"),
    [(load_iris, "mlp", 5), (load_digits, "mlp", 2), (load_digits, "conv", 1)],
    ids=["iris", "digits", "digits conv"],
)
def test_codes_and_probabilities_are_the_models_to_five_digits(
    load: Any, architecture: str, epochs: int, tmp_path: Path
) -> None:
    rows, y = load(return_X_y=True)
    shape = (8, 8) if rows.shape[1] == 64 else None
    chosen = mask_labels(y, per_class=10, random_state=0)
    settings: dict[str, Any] = {"architecture": architecture, "image_shape": shape, "max_epochs": epochs}
    if architecture == "conv":
        settings["recipe_params"] = {"propagate": False}
    fitted = fit(chosen, rows, hidden_layer_sizes=(64,), **settings)
    told = export_onnx(fitted, tmp_path / "m.onnx")
    assert max(told.code_difference or 1, told.probability_difference or 1) < 1e-5
    for n in (1, 1000):
        batch = np.resize(rows, (n, rows.shape[1])).astype(np.float32)
        found = answers(tmp_path / "m.onnx", batch)
        np.testing.assert_allclose(found["codes"], fitted.transform(batch), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(batch), rtol=0, atol=1e-5)
        np.testing.assert_array_equal(found["label"], fitted.predict(batch))
        assert found["codes"].dtype == found["probabilities"].dtype == np.float32


@pytest.mark.parametrize(
    ("prior", "n_components"),
    [(name, n) for name in sorted(PRIORS) for n in (1, 2, 5) if n > 1 or name not in ("ring", "swiss_roll")],
)
def test_every_prior_has_its_posterior(prior: str, n_components: int, tmp_path: Path) -> None:
    assert PRIORS[prior] in POSTERIORS
    fitted = fit(prior=prior, n_components=n_components, max_epochs=1)
    told = export_onnx(fitted, tmp_path / "m.onnx")
    assert told.probability_difference is not None
    assert told.probability_difference < 1e-5
    found = answers(tmp_path / "m.onnx", 3 * X)
    np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(3 * X), rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, atol=1e-5)


def test_given_weights_and_a_users_sampler_are_in_the_posterior(tmp_path: Path) -> None:
    def ends(n: int, labels: Any, generator: Any) -> Any:
        return 3 * labels[:, None] + torch.randn((n, 2), generator=generator)

    for prior in (RingPrior(2, 3, weights=(0.7, 0.2, 0.1)), SampledPrior(2, 3, sampler=ends)):
        fitted = fit(prior=prior)
        told = export_onnx(fitted, tmp_path / "m.onnx", force=True)
        assert told.probability_difference is not None
        assert told.probability_difference < 1e-5


@pytest.mark.parametrize(
    "classes",
    [np.array(["naïve, 日本", "no"]), np.array([False, True]), np.array([-3, 7])],
)
def test_labels_are_the_classes_themselves(classes: NDArray[Any], tmp_path: Path) -> None:
    fitted = fit(classes[np.arange(60) % 2])
    export_onnx(fitted, tmp_path / "m.onnx")
    assert answers(tmp_path / "m.onnx", X)["label"].tolist() == fitted.predict(X).tolist()
    assert json.loads(metadata(tmp_path / "m.onnx")["classes"]) == classes.tolist()


def test_without_classes_or_on_wish_there_are_codes_alone(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    bare = fit(None)
    assert export_onnx(bare, tmp_path / "a.onnx").outputs == ("codes",)
    assert export_onnx(model, tmp_path / "b.onnx", codes_only=True).probability_difference is None
    assert list(answers(tmp_path / "b.onnx", X)) == ["codes"]
    np.testing.assert_allclose(answers(tmp_path / "a.onnx", X)["codes"], bare.transform(X), rtol=1e-5, atol=1e-5)


def test_images_are_flattened_row_by_row(tmp_path: Path) -> None:
    pictures = X[:, :4].reshape(-1, 2, 2)
    fitted = fit(data=pictures)
    export_onnx(fitted, tmp_path / "m.onnx")
    found = answers(tmp_path / "m.onnx", X[:, :4])["codes"]
    np.testing.assert_allclose(found, fitted.transform(pictures), rtol=1e-5, atol=1e-5)
    assert json.loads(metadata(tmp_path / "m.onnx")["sample_shape"]) == [2, 2]


def test_columns_far_from_zero_need_an_input_of_float64_and_lose_nothing_then(tmp_path: Path) -> None:
    far = X.astype(np.float64) * [1, 1e-3, 1, 1e4, 1, 1] + [0, 0, 1e6, 1e9, 0, -1e6]
    fitted = fit(data=far, scaling="standard")
    with pytest.raises(DataError, match=r"feature 5 lies around -1e\+06 with a spread of .* an input of float64"):
        export_onnx(fitted, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
    told = export_onnx(fitted, tmp_path / "m.onnx", dtype="float64")
    assert told.input_dtype == "float64"
    found = answers(tmp_path / "m.onnx", far)
    np.testing.assert_allclose(found["codes"], fitted.transform(far), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(far), rtol=0, atol=1e-5)


def test_a_table_of_several_kinds_of_columns_goes_in_as_it_is_encoded(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "height": np.where(np.arange(60) % 7 == 0, np.nan, 1e6 + X[:, 0]),
            "visits": np.random.default_rng(0).poisson(3, 60),
            "colour": np.array(["red", "green", "blue"])[Y],
            "joined": pd.Timestamp("2015-01-01") + pd.to_timedelta(np.arange(60), "D"),
        }
    )
    fitted = fit(data=frame)
    told = export_onnx(fitted, tmp_path / "m.onnx")
    said = metadata(tmp_path / "m.onnx")
    codec = ColumnCodec.from_state(json.loads(said["columns"]))
    assert (told.encoded, told.n_inputs) == (True, codec.n_encoded)
    assert json.loads(said["input_names"]) == list(codec.encoded_names)
    found = answers(tmp_path / "m.onnx", codec.encode(frame))
    np.testing.assert_allclose(found["codes"], fitted.transform(frame), rtol=1e-5, atol=1e-5)
    assert found["label"].tolist() == fitted.predict(frame).tolist()


def test_counts_go_in_as_counts(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).negative_binomial(1, 1e-3, (60, 5)).astype(np.float32)
    fitted = fit(data=counts, reconstruction="counts")
    export_onnx(fitted, tmp_path / "m.onnx")
    found = answers(tmp_path / "m.onnx", counts)
    np.testing.assert_allclose(found["codes"], fitted.transform(counts), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(counts), rtol=0, atol=1e-5)


# -- the file --------------------------------------------------------------------------------------------------------


def metadata(file: Path) -> dict[str, str]:
    return dict(onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map)


def test_the_file_says_what_it_is_and_nothing_of_the_machine(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["stem", "leaf", "a,b", "d", "é", "f"])
    fitted = fit(data=frame)
    told = export_onnx(fitted, tmp_path / "m.onnx")
    said = metadata(tmp_path / "m.onnx")
    assert json.loads(said["input_names"]) == list(frame.columns)
    assert json.loads(said["columns"]) is None
    assert json.loads(said["classes"]) == [0, 1, 2]
    assert (said["aaetools_version"], said["schema_version"]) == (aaetools.__version__, "1")
    assert (said["prior"], said["scaling"]) == ("simplex", fitted.scaling_)
    document = onnx.load(str(tmp_path / "m.onnx"))
    onnx.checker.check_model(document, full_check=True)
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in document.graph.output]
    assert shapes == [["n", 4], ["n", 3], ["n"]]
    content = (tmp_path / "m.onnx").read_bytes()
    assert (told.n_bytes, told.n_checked) == (len(content), 512)
    assert str(Path(aaetools.__file__).parent).encode() not in content


def test_the_same_model_makes_the_same_bytes(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    export_onnx(model, tmp_path / "a.onnx")
    export_onnx(model, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_model_stays_as_it_was(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    before, state = model.transform(X), torch.get_rng_state()
    export_onnx(model, tmp_path / "m.onnx")
    np.testing.assert_array_equal(model.transform(X), before)
    assert torch.equal(torch.get_rng_state(), state)


# -- refusals --------------------------------------------------------------------------------------------------------


def test_without_the_extra_it_is_named(
    model: AdversarialAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime", None)
        assert export_onnx(model, tmp_path / "m.onnx").n_checked == 0
        patch.setitem(sys.modules, "onnx", None)
        with pytest.raises(DataError, match=r"need the packages onnx and onnxruntime: pip install 'aaetools\[onnx\]'"):
            export_onnx(model, tmp_path / "n.onnx")
    assert os.listdir(tmp_path) == ["m.onnx"]


def test_an_answer_that_differs_is_not_written(
    model: AdversarialAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(graph: Any, prior: Any, z: str) -> str:
        right: str = POSTERIORS[type(prior)](graph, prior, graph.cast(z, np.float64))
        return str(graph.add("Mul", right, graph.constant(0.99)))

    with monkeypatch.context() as patch:
        patch.setattr("aaetools.export.onnx_file.write_posterior", wrong)
        with pytest.raises(DataError, match=r"the probabilities of the exported file differ .* by 0\.01; not written"):
            export_onnx(model, tmp_path / "m.onnx")
        patch.setattr("aaetools.export.onnx_file.write_network", lambda graph, encoder, x: x)
        with pytest.raises(DataError, match=r"the model cannot be written as ONNX: .*Identity"):
            export_onnx(model, tmp_path / "m.onnx", codes_only=True)
    assert os.listdir(tmp_path) == []


class OwnPrior(RingPrior):
    """What a subclass computes is its own matter."""


def test_what_cannot_be_written_is_refused_in_one_line(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        export_onnx(AdversarialAutoencoder(), tmp_path / "m.onnx")
    with pytest.raises(DataError, match="float32 or float64, not 'float16'"):
        export_onnx(model, tmp_path / "m.onnx", dtype="float16")  # type: ignore[arg-type]
    own = fit(prior=OwnPrior(2, 3))
    with pytest.raises(DataError, match=r"the prior OwnPrior cannot be written .* \(codes_only=True\)"):
        export_onnx(own, tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []
    assert export_onnx(own, tmp_path / "m.onnx", codes_only=True).outputs == ("codes",)


def test_a_file_is_replaced_by_force_alone_and_survives_a_failed_write(
    model: AdversarialAutoencoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"old")
    with pytest.raises(ModelFileError, match="exists already"):
        export_onnx(model, file)
    with pytest.raises(ModelFileError, match="exists already"):
        export_onnx(model, tmp_path, force=True)
    with pytest.raises(ModelFileError, match=r"cannot write .*: No such file or directory"):
        export_onnx(model, tmp_path / "none" / "m.onnx")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(ModelFileError, match="No space left on device"):
                export_onnx(model, file, force=True)
        assert (file.read_bytes(), os.listdir(tmp_path)) == (b"old", ["m.onnx"])
    export_onnx(model, file, force=True)
    assert file.read_bytes() != b"old"
