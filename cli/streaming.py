"""Commands that write a row for every row of DATA: to a file or as csv on standard output, and what they say of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.interrupts import interrupts
from aaetools.cli.progress import open_display
from aaetools.cli.rows import option_names
from aaetools.sinks import Layout, Part, Sink, open_sink, to_csv

if TYPE_CHECKING:
    from aaetools.analysis.progress import Progress
    from aaetools.streaming import Streamed

__all__ = ["stream_rows", "tell_streamed"]

_PIPE_CLOSED = 141
"""What shells say of a program that SIGPIPE ended."""

OpenSink = Callable[[Layout], AbstractContextManager[Sink]]


@dataclass
class _Printed:
    """Csv on standard output."""

    layout: Layout
    begun: bool = False

    def write(self, part: Part) -> None:
        """Print the next rows."""
        click.echo(to_csv(part.frame(self.layout), header=not self.begun), nl=False)
        self.begun = True

    def close(self) -> None:
        """Nothing comes at the end."""


@contextmanager
def _standard_output(layout: Layout) -> Iterator[Sink]:
    yield _Printed(layout)


def stream_rows(write: Callable[[OpenSink, Progress | None], Streamed], out: Path | None, *, quiet: bool) -> Streamed:
    """Let ``write`` send its rows to a file, or print them, with a bar once that takes long.

    A signal, SIGTERM too, ends it as an error does: of a file nothing is left. If standard output is closed by who
    reads it, as ``head`` does, the program ends without a word.
    """
    opened: OpenSink = _standard_output if out is None else partial(open_sink, out)
    try:
        with option_names(), interrupts(), open_display(quiet=quiet) as display:
            return write(opened, display.step)
    except BrokenPipeError:
        # what is still in the buffer would be written when the program ends, and complained about
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(_PIPE_CLOSED) from None


def tell_streamed(found: Streamed, out: Path | None, facts: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Say how many rows were written and how fast, and how many predictions were right if that is known.

    Parameters
    ----------
    found
        What :func:`stream_rows` returned.
    out
        The file, None for standard output.
    facts
        What else there is to say: keys of the JSON object. An "accuracy" is told to people as well.
    """
    if as_json:
        speed = {"seconds": round(found.seconds, 3), "rows_per_second": round(found.rows_per_second)}
        click.echo(json.dumps({"out": str(out), "n_rows": found.n_rows, **facts, **speed}))
        return
    if quiet:
        return
    if facts.get("accuracy") is not None:
        low, high = facts["accuracy_interval"]
        click.echo(
            f"Accuracy on {facts['n_labeled']:,} labelled rows: {facts['accuracy']:.1%} "
            f"(95% interval {low:.1%} to {high:.1%}); rows that the run was trained on are not left out",
            err=True,
        )
    if out is not None:
        click.echo(f"{found.n_rows:,} rows written to {out} ({found.rows_per_second:,.0f} rows/s)")
