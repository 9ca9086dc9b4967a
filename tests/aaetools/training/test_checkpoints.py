"""A fit that was broken off goes on to the same bits, and no failure costs the checkpoint before."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import DataError, ModelFileError, RunFolderError, TrainingError
from aaetools.training import Callback, Checkpoints, TrainingContext
from aaetools.training.checkpoints import checkpoints
from aaetools.training.state import pack, unpack

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32) + 4 * np.eye(3, 4, dtype=np.float32).repeat(20, 0)
Y = np.where(np.arange(60) % 5 == 0, np.repeat(np.arange(3), 20), -1)
EPOCHS = 6


class StopAt(Callback):
    """Breaks training off at a step, counted over all epochs, as a signal would."""

    def __init__(self, saver: Checkpoints, at: int) -> None:
        self.saver, self.left = saver, at

    def on_step_end(self, context: TrainingContext) -> None:
        self.left -= 1
        if self.left == 0:
            self.saver.interrupt = KeyboardInterrupt()


def make(**parameters: Any) -> AdversarialAutoencoder:
    given = {"hidden_layer_sizes": (8,), "max_epochs": EPOCHS, "batch_size": 16, "random_state": 3, **parameters}
    return AdversarialAutoencoder(**given)


def broken_off(folder: Path, at: int, **parameters: Any) -> None:
    saver = Checkpoints(folder)
    with pytest.raises(KeyboardInterrupt):
        make(callbacks=[saver, StopAt(saver, at)], **parameters).fit(X, Y)


def resumed(folder: Path, **parameters: Any) -> AdversarialAutoencoder:
    model: AdversarialAutoencoder = make(callbacks=[Checkpoints(folder, resume=True)], **parameters)
    return model.fit(X, Y)


def assert_same(one: AdversarialAutoencoder, other: AdversarialAutoencoder) -> None:
    for part in ("encoder_", "decoder_", "discriminator_"):
        weights = getattr(other, part).state_dict()
        for name, value in getattr(one, part).state_dict().items():
            assert torch.equal(value, weights[name]), f"{part} {name}"
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    assert one.prior_ == other.prior_
    assert {k: v for k, v in one.history_.items() if k != "seconds"} == {
        k: v for k, v in other.history_.items() if k != "seconds"
    }


class Dropping(nn.Module):
    """An encoder that draws from torch's global generator, and has batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z: torch.Tensor = self.layers(x)
        return z


VARIANTS: dict[str, dict[str, Any]] = {
    "few labels": {},
    "retelling": {"recipe_params": {"told_share": 0.5, "propagate": True}},
    "paper, two encoder updates": {"recipe": "paper"},
    "dropout and batch statistics": {"encoder": Dropping(), "n_components": 2, "prior": "ring"},
    "images that are moved": {"image_shape": (2, 2), "augmentation": "affine"},
}
BREAKS = [5, *(pytest.param(at, marks=pytest.mark.slow) for at in (1, 4, 9, 14, 17))]


@pytest.fixture(scope="module")
def whole() -> dict[str, AdversarialAutoencoder]:
    return {name: make(**parameters).fit(X, Y) for name, parameters in VARIANTS.items()}


@pytest.mark.parametrize("at", BREAKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resumed_fit_is_the_uninterrupted_one_bit_for_bit(
    variant: str, at: int, whole: dict[str, AdversarialAutoencoder], tmp_path: Path
) -> None:
    broken_off(tmp_path / "c", at, **VARIANTS[variant])
    assert_same(resumed(tmp_path / "c", **VARIANTS[variant]), whole[variant])


def test_breaking_off_again_and_again_changes_nothing(whole: dict[str, AdversarialAutoencoder], tmp_path: Path) -> None:
    broken_off(tmp_path, 3)
    for _ in range(4):
        saver = Checkpoints(tmp_path, resume=True)
        with pytest.raises(KeyboardInterrupt):
            make(callbacks=[saver, StopAt(saver, 3)]).fit(X, Y)
    assert_same(resumed(tmp_path), whole["few labels"])


def test_early_stopping_remembers_its_best_epoch(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(3), 20)
    settings: dict[str, Any] = {"early_stopping": True, "validation_fraction": 0.4, "max_epochs": 12}
    uninterrupted = make(**settings, n_iter_no_change=3).fit(X, labels)
    saver = Checkpoints(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(**settings, n_iter_no_change=3, callbacks=[saver, StopAt(saver, 7)]).fit(X, labels)
    again = make(**settings, n_iter_no_change=3, callbacks=[Checkpoints(tmp_path, resume=True)])
    assert_same(again.fit(X, labels), uninterrupted)


def test_two_checkpoints_are_kept_and_a_short_fit_leaves_none(tmp_path: Path) -> None:
    make(callbacks=Checkpoints(tmp_path / "none")).fit(X, Y)
    assert not (tmp_path / "none").exists()
    saver = Checkpoints(tmp_path / "some", every_epochs=2)
    make(callbacks=saver).fit(X, Y)
    assert saver.saved == [2, 4, 6]
    assert [folder.name for folder in checkpoints(tmp_path / "some")] == [
        "checkpoint-000006-000000000",
        "checkpoint-000004-000000000",
    ]
    assert {file.suffix for file in (tmp_path / "some").rglob("*.*")} == {".json", ".safetensors"}


def test_minutes_are_kept_to_within_an_epoch(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path, every_minutes=1e-9)
    model = make(callbacks=saver, max_epochs=2).fit(X, Y)
    assert len(saver.saved) > 2 * model.n_iter_


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    make(callbacks=Checkpoints(tmp_path / "kept", every_epochs=2)).fit(X, Y)
    return tmp_path / "kept"


def test_the_newest_whole_checkpoint_is_taken(kept: Path, whole: dict[str, AdversarialAutoencoder]) -> None:
    newest = checkpoints(kept)[0]
    (newest / "state.json").write_bytes((newest / "state.json").read_bytes()[:-9])
    saver = Checkpoints(kept, resume=True)
    with pytest.warns(UserWarning, match=r"state.json is damaged.*the checkpoint before it is taken"):
        model = make(callbacks=saver).fit(X, Y)
    assert saver.resumed_from == 4
    assert not newest.exists()
    assert_same(model, whole["few labels"])


def test_damage_to_all_of_them_is_an_error_and_not_a_new_beginning(kept: Path) -> None:
    for folder in checkpoints(kept):
        (folder / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"tensors\.safetensors is damaged"):
        make(callbacks=Checkpoints(kept, resume=True)).fit(X, Y)


def test_a_checkpoint_of_another_fit_is_refused(kept: Path) -> None:
    resume = Checkpoints(kept, resume=True)
    with pytest.raises(ModelFileError, match="made with other data; give the same again"):
        make(callbacks=resume).fit(X + 1, Y)
    with pytest.raises(ModelFileError, match="made with other settings"):
        make(callbacks=resume, learning_rate=0.5).fit(X, Y)
    with pytest.raises(RunFolderError, match="holds checkpoints of a fit"):
        make(callbacks=Checkpoints(kept)).fit(X, Y)
    with pytest.raises(DataError, match="every_minutes"):
        Checkpoints(kept, every_minutes=0)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a checkpoint's JSON and make its checksums fit again."""
    from aaetools.sealed import write_sealed

    document = json.loads((folder / "state.json").read_text())
    change(document)
    tensors = (folder / "tensors.safetensors").read_bytes()
    write_sealed(folder, {"state.json": json.dumps(document).encode(), "tensors.safetensors": tensors})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema_version=0), "schema version 0, this aaetools reads 1; go on with aaetools "),
        (lambda d: d.update(identity=[]), "not what this aaetools writes"),
        (lambda d: d["state"].pop("parts"), "cannot be taken up"),
        (lambda d: d["state"]["parts"].pop("game"), "cannot be taken up: it belongs to another training"),
        (lambda d: d["state"].update(recorded={"tensor": "/no"}), "not what this aaetools writes"),
        (lambda d: d["state"]["parts"]["batches"].update(pools=[]), "cannot be taken up"),
        (lambda d: d["state"]["parts"]["game"].update(generators=[3]), "cannot be taken up"),
    ],
)
def test_odd_states_with_fitting_checksums_are_refused(kept: Path, change: Any, words: str) -> None:
    for folder in checkpoints(kept):
        rewritten(folder, change)
    with pytest.raises(ModelFileError, match=words) as caught:
        make(callbacks=Checkpoints(kept, resume=True)).fit(X, Y)
    assert "\n" not in str(caught.value)


def test_another_version_is_a_warning(kept: Path) -> None:
    rewritten(checkpoints(kept)[0], lambda document: document["identity"].update(torch="1.0"))
    with pytest.warns(UserWarning, match=r"made with torch 1\.0 \(now .*may differ in the last digits"):
        make(callbacks=Checkpoints(kept, resume=True)).fit(X, Y)


# Failing writes


class Failing:
    """Makes the n-th of some calls fail, as a full or broken disk does."""

    def __init__(self, function: Callable[..., Any], at: int, error: OSError) -> None:
        self.function, self.left, self.error = function, at, error

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.function(*arguments, **more)


class Small:
    """A file on a disk that is full."""

    def __init__(self, file: Any, error: OSError) -> None:
        self.file, self.error = file, error

    def __enter__(self) -> Small:
        return self

    def __exit__(self, *rest: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])
        raise self.error


def full_after(at: int, error: OSError) -> Callable[..., Any]:
    """Return a way to open files of which the n-th that is written to takes only half of it."""
    opened, left = Path.open, iter(range(at - 1, -100, -1))

    def opening(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = opened(path, mode, *rest, **more)
        return Small(file, error) if mode == "wb" and next(left) == 0 else file

    return opening


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "mkdtemp"])
def test_whichever_call_fails_the_last_checkpoint_survives(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(1, 8):
        folder = tmp_path / str(at)
        saver, context = Checkpoints(folder), TrainingContext(9)
        saver.on_fit_start(context)
        for context.epoch in (1, 2):
            assert saver.save(context)
        error = OSError(number, os.strerror(number))
        with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            if call == "write":
                patch.setattr(Path, "open", full_after(at, error))
            else:
                owner = tempfile if call == "mkdtemp" else os
                patch.setattr(owner, call, Failing(getattr(owner, call), at, error))
            context.epoch = 3
            saved = saver.save(context)
        assert saved != any(f"{error.strerror}; training goes on" in str(warning.message) for warning in told)
        assert not [entry for entry in folder.iterdir() if entry.name.startswith(".aaetools")]
        again = TrainingContext(9)
        Checkpoints(folder, resume=True).on_fit_start(again)
        assert again.epoch == (3 if saved else 2)
        failed += not saved
    assert failed >= {"write": 3, "fsync": 4, "replace": 1, "mkdtemp": 1}[call]


def test_a_full_disk_does_not_stop_training(
    whole: dict[str, AdversarialAutoencoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", full_after(4, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.warns(UserWarning, match="no checkpoint could be written .* No space left on device; training goes on"):
        model = make(callbacks=Checkpoints(tmp_path, every_epochs=2)).fit(X, Y)
    assert [folder.name[11:17] for folder in checkpoints(tmp_path)] == ["000006", "000002"]
    assert_same(model, whole["few labels"])


class WentWrong(nn.Module):
    """An encoder that is fine for some passes of training, and then gives what is no number."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.layer, self.left = nn.Linear(4, 2), passes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= self.training
        z: torch.Tensor = self.layer(x)
        return z if self.left > 0 else z * torch.nan


@pytest.mark.parametrize("passes", [12, 13, 14, 15])
def test_what_is_kept_when_training_diverges_is_from_before(passes: int, tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path, every_minutes=1e-9)  # after every step
    settings: dict[str, Any] = {"n_components": 2, "prior": "ring", "batch_size": 8, "recipe": "paper"}
    with pytest.raises(TrainingError, match="in step"):
        make(encoder=WentWrong(passes), callbacks=saver, **settings).fit(X, Y)
    assert len(checkpoints(tmp_path)) == 2
    for folder in checkpoints(tmp_path):
        tensors = load_file(folder / "tensors.safetensors")
        assert all(tensor.isfinite().all() for tensor in tensors.values() if tensor.is_floating_point())


def test_states_come_apart_and_together_again() -> None:
    state = {"a": [1, 2.5, None, torch.arange(3)], "b": {"c": torch.tensor(1.0), "d": "x"}, "e": []}
    values, tensors = pack(state)
    again = unpack(json.loads(json.dumps(values)), tensors)
    assert torch.equal(again["a"].pop(), torch.arange(3))
    assert torch.equal(again["b"].pop("c"), torch.tensor(1.0))
    assert again == {"a": [1, 2.5, None], "b": {"d": "x"}, "e": []}


@pytest.mark.slow
def test_kills_at_random_points_cost_at_most_one_interval() -> None:
    root = Path(__file__).parents[3]
    script = [sys.executable, str(root / "benchmarks" / "kill.py"), "--kills", "25", "--epochs", "6", "--seed", "1"]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    if os.path.isdir("/dev/shm"):  # flushing to a disk takes far longer than these fits
        environment["TMPDIR"] = "/dev/shm"
    done = subprocess.run(script, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    kills, _, differing, again = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", done.stdout, re.M)[0]
    assert (kills, differing) == ("25", "0")
    assert int(again) <= 1
