"""Run folders: everything that one training run left, written as a whole or not at all, and read back.

A run folder holds ``model/`` (see :mod:`aaetools.persistence`), ``latents.parquet`` (one line per row of the
data), ``history.jsonl`` (one line per epoch), ``prior_samples.parquet``, ``images.npz`` (for images only) or
``profiles.parquet`` (for anything else), ``previews.npz`` (what single rows are recognised by), ``analysis.json``,
``report.html`` and ``run.toml``. The last one says what made the run and lists checksums of the others; they find
damage and are no protection against somebody who writes the folder on purpose.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aaetools.exceptions import AAEToolsError, ModelFileError, RunFolderError
from aaetools.staging import TEMPORARY, folder_lock, staged_folder, unfinished_folder, write_flushed

if TYPE_CHECKING:  # the target is checked before anything heavy is imported
    import pandas as pd

    from aaetools.analysis import Analysis, Images, Previews, Tables
    from aaetools.analysis.results import DataSummary

__all__ = [
    "RESULT_FILES",
    "check_target",
    "is_run_folder",
    "read_analysis",
    "read_data_summary",
    "with_results",
    "write_run",
]

_MODEL, _RUN, _REPORT = "model", "run.toml", "report.html"
_LATENTS, _HISTORY, _PRIOR_SAMPLES = "latents.parquet", "history.jsonl", "prior_samples.parquet"
_ANALYSIS, _IMAGES, _PROFILES = "analysis.json", "images.npz", "profiles.parquet"
_PREVIEWS = "previews.npz"
_CLASSIFICATION, _EFFECT = "classification.json", "label-effect.json"
RESULT_FILES = (
    "prior-match.json",
    "clusters.json",
    _CLASSIFICATION,
    _EFFECT,
    "audit.json",
    "suggest.json",
    "novel.json",
    "latent.json",
)
"""What commands that look closer at a run add to it; their checksums are in no list."""
_ENTRIES = {
    _MODEL,
    _RUN,
    _REPORT,
    _LATENTS,
    _HISTORY,
    _PRIOR_SAMPLES,
    _ANALYSIS,
    _IMAGES,
    _PROFILES,
    _PREVIEWS,
    *RESULT_FILES,
}

# Columns that readers of the tables rely on; there is also one column per latent axis.
_ROW_TEXT = ("split", "label_given", "label_true", "label_pred")
_ROW_NUMBERS = (
    "confidence",
    "cluster",
    "reconstruction_error",
    "latent_x",
    "latent_y",
    "umap_x",
    "umap_y",
)


T = TypeVar("T")


# Where a run may go


def is_run_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a folder that :func:`write_run` made, judged by the files that it must have."""
    folder = Path(path)
    return (folder / _RUN).is_file() and (folder / _ANALYSIS).is_file()


def check_target(path: str | os.PathLike[str], force: bool = False) -> None:
    """Check before training that a run can be written to ``path``; nothing is left there.

    Parameters
    ----------
    path
        The run folder to be; its missing parents will be made with it.
    force
        Whether a run folder that is already there may be replaced.

    Raises
    ------
    RunFolderError
        If something is there that may not be replaced, or if the folder above cannot be written.
    """
    target = Path(path)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            target.lstat()  # fails for a name that is too long, where os.path says that there is nothing
        _check_free(target, force)
        above = next(folder for folder in _resolved(target).parents if folder.exists())
        if not above.is_dir():
            raise RunFolderError(f"cannot write {target}: {above} is not a folder")
        os.rmdir(tempfile.mkdtemp(prefix=TEMPORARY, dir=above))
    except RunFolderError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise RunFolderError(f"cannot write {target}: {_reason(error)}; choose another folder") from error


def _check_free(target: Path, force: bool) -> None:
    """Refuse a target whose replacement would lose something that is no run, or that nobody gave up."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise RunFolderError(f"{target} is there already and is no folder; choose another place for the run")
    names = sorted(entry.name for entry in target.iterdir())
    if not names:
        return
    if not is_run_folder(target):
        raise RunFolderError(
            f"{target} is there already and is not a run of aaetools, so it is never replaced; choose another folder"
        )
    if not force:
        raise RunFolderError(f"{target} is there already; choose another folder, or replace it with --force")
    foreign = [name for name in names if name not in _ENTRIES and not name.startswith(".")]
    if foreign:
        raise RunFolderError(
            f"{target} holds {foreign[0]!r}, which is no part of the run and would be lost; move it away first"
        )


def _resolved(target: Path) -> Path:
    """Follow links, so that a linked run folder is replaced where it lies."""
    return Path(os.path.realpath(target))


def _reason(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


# Writing


def write_run(
    path: str | os.PathLike[str],
    model: Any,
    analysis: Analysis,
    report_html: str,
    config: Mapping[str, Any],
    *,
    force: bool = False,
    lock: bool = True,
) -> Path:
    """Write a run folder; it appears whole or not at all.

    Everything is written to a hidden folder beside the target, flushed to the disk, and moved into place. An
    old run that is replaced is moved aside for that moment, and put back if the move fails. While that goes on the
    folder ``PATH.unfinished`` keeps other processes from making the same run, ``aaetools fit`` among them.

    Parameters
    ----------
    path
        The folder to make; missing parents are made too.
    model
        A fitted estimator that :func:`aaetools.save` can write.
    analysis
        What :func:`aaetools.analyze` returned for it.
    report_html
        What :func:`aaetools.render` returned for that.
    config
        The resolved configuration, plain values; those that are None are left out, TOML has no such value.
    force
        Replace a run folder that is already there.
    lock
        Keep other processes out; False where the caller does.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    RunFolderError
        If the folder is there already or cannot be written, or if another process makes the same run; nothing is left
        behind.
    """
    target = Path(path)
    check_target(target, force)
    made: list[Path] = []
    try:
        made = _make_parents(_resolved(target))
        with folder_lock(unfinished_folder(target)) if lock else contextlib.nullcontext():
            _check_free(target, force)  # another process may have been faster
            _write(_resolved(target), model, analysis, report_html, config)
        return target
    except (OSError, UnicodeError) as error:
        if isinstance(error, AAEToolsError):
            raise
        raise RunFolderError(f"cannot write {target}: {_reason(error)}") from error
    except ModelFileError as error:
        if isinstance(error.__cause__, OSError):  # its message names a folder that is not there any more
            raise RunFolderError(f"cannot write {target}: {_reason(error.__cause__)}") from error
        raise
    finally:
        if not target.exists():
            _remove_empty(made)


def _write(place: Path, model: Any, analysis: Analysis, report_html: str, config: Mapping[str, Any]) -> None:
    from aaetools.persistence import save

    with staged_folder(place) as staging:
        save(model, staging / _MODEL)
        files = _table_files(analysis)
        for name, content in files.items():
            write_flushed(staging / name, content)
        write_flushed(staging / _REPORT, report_html.encode())
        write_flushed(staging / _RUN, _run_toml(analysis, config, files))


def _make_parents(place: Path) -> list[Path]:
    """Make the missing folders above a path and return them, the innermost first."""
    missing = [folder for folder in place.parents if not folder.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # somebody else has put something there meanwhile
            return


def _table_files(analysis: Analysis) -> dict[str, bytes]:
    """Return the content of every file that :func:`read_analysis` reads, by name."""
    from aaetools.analysis import analysis_to_json

    tables = analysis.tables
    files = {
        _LATENTS: _parquet(tables.rows),
        _HISTORY: _json_lines(tables.history),
        _PRIOR_SAMPLES: _parquet(tables.prior_samples),
        _ANALYSIS: analysis_to_json(analysis).encode("ascii"),
    }
    if tables.images is not None:
        files[_IMAGES] = _images_npz(tables.images)
    if tables.previews is not None:
        files[_PREVIEWS] = _previews_npz(tables.previews)
    if tables.profiles is not None:
        files[_PROFILES] = _parquet(tables.profiles)
    return files


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _json_lines(history: pd.DataFrame) -> bytes:
    """Return one JSON object per epoch; what is not finite becomes null, which JSON has."""
    lines = [
        json.dumps({name: value if math.isfinite(value) else None for name, value in record.items()})
        for record in history.astype(float).to_dict("records")
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _images_npz(images: Images) -> bytes:
    arrays = {
        "originals": images.originals,
        "reconstructions": images.reconstructions,
        "samples": images.samples,
        "sample_labels": _strings(images.sample_labels),
    }
    if images.walks is not None:
        arrays |= {"walks": images.walks, "walk_names": _strings(images.walk_names)}
    return _npz(**arrays)


def _previews_npz(previews: Previews) -> bytes:
    arrays: dict[str, Any] = {"rows": previews.rows}
    if previews.thumbnails is not None:
        arrays["thumbnails"] = previews.thumbnails
    if previews.features is not None:
        arrays |= {"features": previews.features, "feature_names": _strings(previews.feature_names)}
    return _npz(**arrays)


def _npz(**arrays: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _strings(strings: tuple[str, ...]) -> Any:
    """Return strings as JSON in bytes: numpy's own lose trailing NULs, and objects would need pickle."""
    import numpy as np

    return np.frombuffer(json.dumps(list(strings)).encode("ascii"), dtype=np.uint8)


def _run_toml(analysis: Analysis, config: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return what is needed to make the run again, and the checksums of its files."""
    import tomli_w

    data, provenance = analysis.data, analysis.provenance
    document = {
        "command": provenance.command,
        "created": provenance.created,
        "seed": provenance.random_state,
        "platform": provenance.platform,
        "n_threads": provenance.n_threads,
        "data": {
            "name": data.name,
            "source": data.source,
            "sha256": data.sha256,
            "n_train": data.n_train,
            "n_holdout": data.n_holdout,
            "n_labeled": data.n_labeled,
        },
        "versions": dict(provenance.versions),
        "configuration": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in config.items()
            if value is not None
        },
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    # a path may hold bytes that are no text; the checksum tells the data, so "?" will do
    return tomli_w.dumps(document).encode("utf-8", "replace")


# Reading


def read_analysis(path: str | os.PathLike[str]) -> Analysis:
    """Read back the analysis of a run folder, tables included.

    Raises
    ------
    RunFolderError
        If the folder is no run, or if one of its files is missing or damaged; the message names the file.
    """
    from aaetools.analysis import Tables

    folder = _existing_run(path)
    sums = _checksums(folder)
    images, profiles, previews = folder / _IMAGES, folder / _PROFILES, folder / _PREVIEWS
    tables = Tables(
        rows=_parsed(_checked(folder / _LATENTS, sums), folder / _LATENTS, _read_rows),
        history=_parsed(_checked(folder / _HISTORY, sums), folder / _HISTORY, _read_history),
        prior_samples=_parsed(_checked(folder / _PRIOR_SAMPLES, sums), folder / _PRIOR_SAMPLES, _read_prior_samples),
        images=_parsed(_checked(images, sums), images, _read_images) if _IMAGES in sums else None,
        profiles=_parsed(_checked(profiles, sums), profiles, _read_profiles) if _PROFILES in sums else None,
        previews=_parsed(_checked(previews, sums), previews, _read_previews) if _PREVIEWS in sums else None,
    )
    analysis = _read_document(folder, sums, tables)
    n_rows = analysis.data.n_train + analysis.data.n_holdout
    if len(tables.rows) != n_rows:
        raise _damaged(folder / _LATENTS, f"it has {len(tables.rows)} rows, {_ANALYSIS} says {n_rows}")
    if tables.previews is not None and len(tables.previews.rows) and tables.previews.rows.max() >= n_rows:
        raise _damaged(previews, f"it shows row {tables.previews.rows.max()} of {n_rows}")
    return analysis


def with_results(analysis: Analysis, path: str | os.PathLike[str]) -> Analysis:
    """Return an analysis with what later commands found out about its run and wrote into the folder.

    That is what the labels are worth (``label-effect.json``), and more baselines, calibration, conformal sets and
    reject options (``classification.json``): all of it where it judges the same rows, else what was chosen by the
    others. Results about single rows stay in their files.

    Raises
    ------
    RunFolderError
        If one of the files is damaged; the message names it.
    """
    from aaetools.analysis.results import Classification, LabelEffect

    folder = _existing_run(path)
    effect = _result(folder / _EFFECT, LabelEffect)
    if effect is not None:
        analysis = replace(analysis, labels=replace(analysis.labels, effect=effect))
    later, own = _result(folder / _CLASSIFICATION, Classification), analysis.classification
    if later is not None and own is not None:
        if later.model.accuracy.n != own.model.accuracy.n:
            later = replace(own, calibration=later.calibration, conformal=later.conformal, rejection=later.rejection)
        analysis = replace(analysis, classification=later)
    return analysis


def _result(file: Path, kind: type[T]) -> T | None:
    from aaetools.analysis import result_from_json

    if not file.is_file():
        return None
    return _parsed(_content(file), file, lambda content: result_from_json(content.decode("ascii"), kind))


def read_data_summary(path: str | os.PathLike[str]) -> DataSummary:
    """Read what a run says about its data: names of features, of the label column, of classes.

    Raises
    ------
    RunFolderError
        As :func:`read_analysis`, but the tables are not read.
    """
    import pandas as pd

    from aaetools.analysis import Tables

    folder = _existing_run(path)
    nothing = Tables(rows=pd.DataFrame(), history=pd.DataFrame(), prior_samples=pd.DataFrame())
    return _read_document(folder, _checksums(folder), nothing).data


def _existing_run(path: str | os.PathLike[str]) -> Path:
    folder = Path(path)
    try:
        if folder.is_dir() and any((folder / name).exists() for name in (_RUN, _ANALYSIS, _MODEL)):
            return folder
        found = os.path.lexists(folder)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {folder}: {_reason(error)}") from error
    problem = "is not a run folder" if found else "no such run folder"
    raise RunFolderError(f"{folder}: {problem}; give a folder that `aaetools fit` wrote")


def _damaged(file: Path, how: str) -> RunFolderError:
    return RunFolderError(f"{file} is damaged: {how}; restore it or make the run again")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise RunFolderError(f"{file} is missing; restore it or make the run again") from None
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {_reason(error)}") from error


def _checksums(folder: Path) -> dict[str, Any]:
    file = folder / _RUN
    try:
        sums = tomllib.loads(_content(file).decode("utf-8")).get("sha256")
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "it is not TOML") from error
    if not isinstance(sums, dict) or not {_LATENTS, _HISTORY, _PRIOR_SAMPLES, _ANALYSIS} <= set(sums):
        raise _damaged(file, "it lacks the checksums of the run's files")
    return sums


def _checked(file: Path, sums: Mapping[str, Any]) -> bytes:
    content = _content(file)
    if hashlib.sha256(content).hexdigest() != sums[file.name]:
        raise _damaged(file, f"its checksum differs from the one in {_RUN}")
    return content


def _parsed(content: bytes, file: Path, read: Callable[[bytes], T]) -> T:
    """Parse a file's content; whatever is wrong with it ends in one line that names the file."""
    try:
        return read(content)
    except AAEToolsError as error:
        raise RunFolderError(f"{file}: {error}") from error
    except Exception as error:  # what a damaged file does to a foreign parser is not for us to list
        reason = str(error).strip().splitlines()[0:1] or [type(error).__name__]
        raise _damaged(file, f"it cannot be read ({reason[0][:200]})") from error


def _read_document(folder: Path, sums: Mapping[str, Any], tables: Tables) -> Analysis:
    from aaetools.analysis import analysis_from_json

    file = folder / _ANALYSIS
    return _parsed(_checked(file, sums), file, lambda content: analysis_from_json(content.decode("ascii"), tables))


def _read_rows(content: bytes) -> pd.DataFrame:
    frame = _table(content, ("row", *_ROW_TEXT), (*_ROW_NUMBERS, "z0"))
    if not frame["split"].isin(["train", "holdout"]).all():
        raise ValueError("column 'split' holds something else than train and holdout")
    return frame


def _read_prior_samples(content: bytes) -> pd.DataFrame:
    return _table(content, ("label",), ("latent_x", "latent_y"))


def _read_profiles(content: bytes) -> pd.DataFrame:
    return _table(content, ("name", "feature"), ("decoded", "mean", "std"))


def _table(content: bytes, other: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    """Read a parquet file that must have these columns."""
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(content))
    for name in (*other, *numbers):
        if name not in frame:
            raise ValueError(f"there is no column {name!r}")
    for name in numbers:
        if frame[name].dtype.kind not in "if":
            raise ValueError(f"column {name!r} does not hold numbers")
    return frame


def _read_history(content: bytes) -> pd.DataFrame:
    import pandas as pd

    records = [json.loads(line) for line in content.decode("ascii").splitlines()]
    return pd.DataFrame.from_records(records).astype(float)


def _read_images(content: bytes) -> Images:
    import numpy as np

    from aaetools.analysis import Images

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Images(
            originals=arrays["originals"],
            reconstructions=arrays["reconstructions"],
            samples=arrays["samples"],
            sample_labels=tuple(json.loads(arrays["sample_labels"].tobytes())),
            walks=arrays.get("walks"),  # runs of earlier releases have none
            walk_names=tuple(json.loads(arrays["walk_names"].tobytes())) if "walks" in arrays else (),
        )


def _read_previews(content: bytes) -> Previews:
    import numpy as np

    from aaetools.analysis import Previews

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        names = arrays.get("feature_names")
        found = Previews(
            rows=arrays["rows"],
            thumbnails=arrays.get("thumbnails"),
            feature_names=() if names is None else tuple(json.loads(names.tobytes())),
            features=arrays.get("features"),
        )
    rows, pictures, values = found.rows, found.thumbnails, found.features
    if rows.ndim != 1 or rows.dtype.kind != "i" or (len(rows) and rows.min() < 0):
        raise ValueError("'rows' does not hold positions of rows")
    if pictures is not None and (pictures.dtype != np.uint8 or pictures.ndim < 3 or len(pictures) != len(rows)):
        raise ValueError("'thumbnails' does not hold one picture of each row")
    if values is not None and values.shape != (len(rows), len(found.feature_names)):
        raise ValueError("'features' does not hold one value of each row and name")
    return found
