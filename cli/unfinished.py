"""The folder beside a run folder that is being made: checkpoints, what the fit was asked for, and a lock.

``runs/wine.unfinished`` belongs to ``runs/wine``. It goes when the run is there, or when nothing was worth keeping.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from aaetools.cli.config import apply_config
from aaetools.exceptions import Interrupted, RunFolderError, TrainingError
from aaetools.staging import folder_lock, unfinished_folder

if TYPE_CHECKING:
    from aaetools.training import Checkpoints

__all__ = ["checked_resume", "original_command", "resume_option", "training_folder"]

_SUFFIX = ".unfinished"
_SETTINGS, _FIT = "settings", "fit.toml"
_WITH_RESUME = {"resume", "checkpoint_minutes", "checkpoint_epochs", "as_json", "quiet"}
"""Parameters that may be given beside --resume: they make nothing else of the fit."""


@contextmanager
def training_folder(
    out: Path,
    configuration: Mapping[str, Any],
    command: str,
    *,
    resume: bool,
    force: bool,
    minutes: float,
    epochs: int | None,
) -> Iterator[Checkpoints]:
    """Yield what saves training while a block runs; afterwards nothing is left that cannot be resumed.

    Raises
    ------
    RunFolderError
        If another process makes the same run, or an interrupted fit is there that nobody gave up.
    """
    import tomli_w

    from aaetools.sealed import write_sealed
    from aaetools.training.checkpoints import Checkpoints, checkpoints

    folder = unfinished_folder(out)
    made = [above for above in folder.absolute().parents if not above.exists()]
    try:
        with folder_lock(folder):
            done = False
            try:
                if not resume:
                    if checkpoints(folder) and not force:
                        raise RunFolderError(
                            f"{folder} holds an interrupted fit; go on with 'aaetools fit --resume {out}', or start "
                            "over with --force"
                        )
                    _clear(folder)
                    document = {"command": command, "configuration": {**configuration, "force": force}}
                    try:
                        write_sealed(folder / _SETTINGS, {_FIT: tomli_w.dumps(document).encode("utf-8")})
                    except OSError as error:
                        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from error
                try:
                    yield Checkpoints(folder, every_minutes=minutes, every_epochs=epochs, resume=resume)
                    done = True
                except Interrupted as interrupted:
                    if checkpoints(folder):
                        interrupted.advice = f"go on with: aaetools fit --resume {out}"
                    raise
                except TrainingError as error:
                    if checkpoints(folder):
                        raise TrainingError(f"{error}; the last good checkpoint is kept in {folder}") from error
                    raise
                except RunFolderError as error:
                    if checkpoints(folder):
                        raise RunFolderError(
                            f"{error}; training is kept: mend that, then 'aaetools fit --resume {out}'"
                        ) from error
                    raise
            finally:
                if done or not checkpoints(folder):
                    _clear(folder)
    finally:
        with suppress(OSError):  # where the run is, or somebody else has put something
            for above in made:
                above.rmdir()


def _clear(folder: Path) -> None:
    from aaetools.training.checkpoints import checkpoints

    for old in (*checkpoints(folder), folder / _SETTINGS):
        shutil.rmtree(old, ignore_errors=True)


def _settings_of(run: Path) -> Path:
    """Return the file that says what an interrupted fit was asked for.

    Raises
    ------
    RunFolderError
        If there is no interrupted fit of this run.
    ModelFileError
        If the file is damaged.
    """
    from aaetools.sealed import read_sealed

    folder = unfinished_folder(run)
    if not (folder / _SETTINGS).is_dir():
        if (run / "run.toml").is_file():
            raise RunFolderError(f"{run} is finished; there is nothing to go on with")
        raise RunFolderError(f"{run}: no interrupted fit, because there is no folder {folder}")
    read_sealed(folder / _SETTINGS, (_FIT,))
    return folder / _SETTINGS / _FIT


def original_command(run: Path) -> str:
    """Return the command line that an interrupted fit began with."""
    document = tomllib.loads(_settings_of(run).read_text("utf-8"))
    return str(document.get("command", ""))


def _take_settings(ctx: click.Context, parameter: click.Parameter, run: Path | None) -> Path | None:
    if run is None:
        return None
    run = run.with_name(run.name.removesuffix(_SUFFIX)) if run.name else run
    apply_config(ctx, _settings_of(run))
    return run


resume_option = click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=_take_settings,
    show_default="none",
    help="Go on with an interrupted fit of this run folder, from its last checkpoint and with its options.",
)


def checked_resume(ctx: click.Context) -> None:
    """Refuse options beside --resume that would make another fit of it."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name not in _WITH_RESUME and ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            given = max(parameter.opts, key=len) if isinstance(parameter, click.Option) else "DATA"
            raise click.UsageError(f"--resume goes on with the options of the fit; leave out {given}", ctx)
