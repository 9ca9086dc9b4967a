"""The entry point: the group of commands, and how errors end."""

from __future__ import annotations

import io
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import click

from aaetools import __version__
from aaetools.exceptions import AAEToolsError, Interrupted

__all__ = ["COMMANDS", "LazyGroup", "cli", "main"]

COMMANDS = (
    "inspect",
    "fit",
    "transform",
    "predict",
    "sample",
    "export",
    "report",
    "compare",
    "prior-match",
    "cluster",
    "classify",
    "label-effect",
    "audit",
    "suggest",
    "novel",
    "latent",
    "traverse",
    "interpolate",
    "datasets",
    "completion",
)
"""Each is the command of that name in the module of that name beside this one, with "_" for "-"."""

_BAD_INPUT = 2
_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"aaetools.cli.{name}"), name)
        return command


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
    epilog="""\b
Examples:
  aaetools fit                                    digits with 10 labels per class
  aaetools fit table.csv --target species         empty cells of species are unlabelled
  aaetools predict runs/digits-20250101-120000 new.csv --out predicted.csv
""",
)
@click.version_option(__version__, prog_name="aaetools", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Few labels, a lot of data, and a map of it that can be trusted.

    Trains an adversarial autoencoder whose labels are seen only by the discriminator, clusters the latent
    codes, tests how well they match the prior, and writes one HTML report.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 is success, 2 bad input (one line on standard error says what is wrong), 130 an interrupt and
    143 a request to end. Anything else that goes wrong is a bug and keeps its traceback.

    Parameters
    ----------
    arguments
        What follows the program's name; ``sys.argv`` by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # names and labels come from files: what this terminal cannot show must not stop the program
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _told_of_fetching():
            code = cli.main(given, prog_name="aaetools", standalone_mode=False, obj=shlex.join(["aaetools", *given]))
    except click.ClickException as error:
        return _fail(_usage_message(error))
    except AAEToolsError as error:
        return _fail(str(error))
    except Interrupted as interrupted:
        click.echo(f"Interrupted; {interrupted.advice}.", err=True)
        return interrupted.code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing was written.", err=True)
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


class _StandardError(logging.Handler):
    """Prints what is logged; the stream is looked up each time, since it may have been exchanged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        click.echo(record.getMessage(), err=True)


@contextmanager
def _told_of_fetching() -> Iterator[None]:
    """Print what is fetched from the network, which may take a while."""
    log, handler = logging.getLogger("aaetools.datasets"), _StandardError()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _fail(message: str) -> int:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    return _BAD_INPUT


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = f"{message.rstrip('.')} (see '{error.ctx.command_path} --help')"
    return message
