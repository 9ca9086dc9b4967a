"""``aaetools completion``: the script that teaches a shell to complete our commands."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

_SHELLS = ("bash", "fish", "zsh")
_VARIABLE = "_AAETOOLS_COMPLETE"  # what click derives from the program's name
_INSTALL = {
    "bash": "# To install: aaetools completion bash > ~/.aaetools-completion.bash\n"
    "# and add to ~/.bashrc: source ~/.aaetools-completion.bash",
    "fish": "# To install: aaetools completion fish > ~/.config/fish/completions/aaetools.fish",
    "zsh": "# To install: aaetools completion zsh > ~/.aaetools-completion.zsh\n"
    "# and add to ~/.zshrc, after compinit: source ~/.aaetools-completion.zsh",
}


@click.command(
    epilog="""\b
Examples:
  eval "$(aaetools completion bash)"
  aaetools completion fish > ~/.config/fish/completions/aaetools.fish
"""
)
@click.argument("shell", metavar="[SHELL]", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print a script that completes commands and options.

    SHELL is bash, zsh or fish, by default the one that $SHELL names. The script's first lines say where to
    put it.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name)
    if kind is None or name not in _SHELLS:
        raise click.UsageError(f"no completion for shell {name!r}; name one of {', '.join(_SHELLS)}", ctx)
    script = kind(ctx.find_root().command, {}, "aaetools", _VARIABLE).source()
    click.echo(f"{_INSTALL[name]}\n{script}")
