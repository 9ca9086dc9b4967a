from __future__ import annotations

import warnings

import pytest

from aaetools.cli.progress import Display, open_display
from aaetools.training.callbacks import Callback, TrainingContext

RECORD = {
    "reconstruction_loss": 0.5,
    "discriminator_loss": 1.25,
    "generator_loss": 0.75,
    "discriminator_accuracy": 0.625,
}


def train(display: Display, max_epochs: int) -> None:
    context = TrainingContext(max_epochs)
    display.on_fit_start(context)
    for epoch in range(1, max_epochs + 1):
        context.epoch, context.record = epoch, {"epoch": float(epoch), **RECORD}
        display.on_epoch_end(context)
    display.on_fit_end(context)


@pytest.mark.parametrize(("max_epochs", "lines"), [(1, 1), (7, 7), (10, 10), (95, 10), (1000, 10)])
def test_off_a_terminal_there_is_a_line_for_every_tenth(
    capsys: pytest.CaptureFixture[str], max_epochs: int, lines: int
) -> None:
    train(Display(quiet=False, live=False), max_epochs)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == lines
    last = f"Epoch {max_epochs}/{max_epochs}  reconstruction 0.500  discriminator 1.250  generator 0.750"
    assert err.splitlines()[-1] == f"{last}  D accuracy 0.625"


def test_on_a_terminal_there_is_a_bar_with_the_losses(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(quiet=False, live=True)
    train(display, 5)
    display.stage("clustering")
    display.note("seen")
    display.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "5/5" in err
    assert "recon 0.500  D 1.250  G 0.750  D acc 0.625" in err
    assert "Note: seen" in err


def test_steps_of_long_work_are_a_bar_on_a_terminal_and_at_most_ten_lines_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for live in (True, False):
        display = Display(quiet=False, live=live, patience=0)
        for done in range(41):
            display.step("fitting", done, 40)
        display.close()
        err = capsys.readouterr().err
        if live:
            assert "40/40" in err
        else:
            assert len(err.splitlines()) == 10
            assert err.splitlines()[-1] == "Fitting: 40 of 40"


def test_steps_of_short_work_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for live in (True, False):
        display = Display(quiet=False, live=live, patience=3600)
        for done in range(41):
            display.step("fitting", done, 40)
        display.close()
    assert capsys.readouterr() == ("", "")


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(quiet=True, live=True)
    train(display, 5)
    display.stage("clustering")
    display.note("unheard")
    assert capsys.readouterr() == ("", "")


def test_the_display_has_every_hook_of_a_callback() -> None:
    # all but that of single steps, which the loop calls only where there is one
    hooks = [name for name in vars(Callback) if name.startswith("on_") and name != "on_step_end"]
    assert hooks
    assert all(callable(getattr(Display(quiet=True, live=False), name)) for name in hooks)


def warn(text: str, module: str) -> None:
    warnings.warn_explicit(text, UserWarning, f"{module}.py", 1, module=module)


def test_our_warnings_become_notes_once_and_those_of_others_are_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_display(quiet=False):
        for _ in range(2):
            warn("few\n  labels", "aaetools.training.early_stopping")
        warn("not for users", "umap.umap_")
    assert capsys.readouterr().err == "Note: few labels\n"
