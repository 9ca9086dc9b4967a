"""The documentation is complete, its examples run, its links lead somewhere."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import shlex
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import pytest

import aaetools
from aaetools.cli.main import cli

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guide.md"
GALLERY = ROOT / "docs" / "gallery"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), GALLERY / "README.md"]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES]
BY_NAME = [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in DOCUMENTS]

# A block of output marked "varies" depends on the machine in more than its numbers: verdicts, choices, when to stop.
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:^```text( varies)?\n(.*?)^```\n)?", re.S | re.M)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?")
_HEADING = re.compile(r"^#+ +(.+)$", re.M)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(path), flags=re.S | re.M)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as code hosts make them."""
    return {
        re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in _HEADING.findall(prose_of(path))
    }


def sections(path: Path) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## +(.+)$", text_of(path), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def command_sections() -> dict[str, str]:
    """Return, for every "## aaetools NAME" of any page, the text below it."""
    found = {}
    for path in PAGES:
        for title, text in sections(path).items():
            if title.startswith("aaetools "):
                assert title not in found, f"{title} is explained twice"
                found[title] = text
    return found


def commands() -> dict[str, click.Command]:
    """Return every command by its name; ``datasets list`` is one of its own."""
    found: dict[str, click.Command] = {}
    top = click.Context(cli)
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            inner = click.Context(command)
            for part in command.list_commands(inner):
                sub = command.get_command(inner, part)
                assert sub is not None
                found[f"{name} {part}"] = sub
    return found


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in commands().items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


def masked(text: str) -> str:
    """Return a text with its numbers and its spacing made alike: results differ a little between machines."""
    return re.sub(r"\s+", " ", _NUMBER.sub("#", text)).strip()


# -- completeness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", commands())
def test_guide_has_every_command(name: str) -> None:
    group, *part = name.split()
    section = command_sections()[f"aaetools {group}"]
    assert not part or f"`{part[0]}`" in section


@pytest.mark.parametrize(("name", "option"), [pytest.param(n, o, id=f"{n} {o.opts[-1]}") for n, o in options()])
def test_guide_explains_every_option_in_the_section_of_its_command(name: str, option: click.Option) -> None:
    section = command_sections()[f"aaetools {name.split()[0]}"]
    for spelling in (*option.opts, *option.secondary_opts):
        if spelling not in ("-h", "--help"):
            assert re.search(rf"`{re.escape(spelling)}[` ]", section), f"{spelling} of {name} is not explained"


def test_guide_gives_the_defaults_of_options() -> None:
    guide = command_sections()
    checked = 0
    for name, option in options():
        if option.is_flag or not isinstance(option.default, str | int | float):
            continue
        section = guide[f"aaetools {name.split()[0]}"]
        long = max(option.opts, key=len)
        row = re.search(rf"^\| `{long}.*$", section, flags=re.M)
        assert row is not None, f"{long} of {name} is in no table"
        assert str(option.default) in row[0].rsplit("|", 2)[1], f"{long} of {name}: default {option.default}"
        checked += 1
    assert checked > 10


@pytest.mark.parametrize("name", aaetools.__all__)
def test_guide_mentions_every_public_name(name: str) -> None:
    assert re.search(rf"\b{re.escape(name)}\b", text_of(GUIDE))


def test_guide_mentions_every_entry_of_the_registries() -> None:
    from aaetools.datasets import DATASETS, READERS
    from aaetools.networks import ARCHITECTURES
    from aaetools.preprocessing import SCALINGS
    from aaetools.priors import PRIORS
    from aaetools.training.recipes import RECIPES

    guide = text_of(GUIDE)
    assert [name for name in PRIORS if f"| `{name}` |" not in guide] == []
    assert [cls.__name__ for cls in PRIORS.values() if f"`{cls.__name__}`" not in guide] == []
    assert [name for name in RECIPES if f"| `{name}` |" not in guide] == []
    assert [name for name in DATASETS if not re.search(rf"^{name} ", guide, re.M)] == []
    assert [suffix for suffix in READERS if f"`{suffix}`" not in guide] == []
    assert [name for name in (*ARCHITECTURES, *SCALINGS) if name not in guide] == []


def test_guide_explains_every_parameter_of_the_estimator() -> None:
    section = sections(GUIDE)["The estimator"]
    table = "".join(line for line in section.splitlines(True) if line.startswith("| `"))
    parameters = aaetools.AdversarialAutoencoder().get_params()
    assert [name for name in parameters if f"`{name}`" not in table] == []
    for name, value in parameters.items():
        row = next(line for line in table.splitlines() if f"`{name}`" in line.split("|")[1])
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        assert f"`{shown}`" in row.split("|")[3], f"{name}={shown}"


def test_guide_explains_every_setting_of_priors_and_recipes() -> None:
    from aaetools.priors import PRIORS, SampledPrior
    from aaetools.training.recipes import FewLabelsRecipe, PaperRecipe

    section = sections(GUIDE)["The estimator"]
    for cls in (*PRIORS.values(), SampledPrior, PaperRecipe):
        assert [f.name for f in fields(cls) if f"`{f.name}`" not in section] == [], cls.__name__
    for setting in fields(FewLabelsRecipe):
        row = re.search(rf"^\| `{setting.name}` \|.*\| (.*) \|$", section, flags=re.M)
        assert row is not None, setting.name
        assert setting.default is not MISSING
        assert row[1] == str(setting.default), setting.name


def test_guide_explains_every_file_of_a_run() -> None:
    from aaetools import runs

    section = sections(GUIDE)["The run folder"]
    assert [name for name in runs._ENTRIES if not re.search(rf"`{re.escape(name)}/?`", section)] == []


# -- examples --------------------------------------------------------------------------------------------------------


def command_lines() -> list[str]:
    """Return every command line with our program in the documents' console blocks."""
    found = []
    for path in DOCUMENTS:
        for block in re.findall(r"^```console\n(.*?)^```", text_of(path), flags=re.S | re.M):
            found += [line[2:] for line in block.splitlines() if line.startswith("$ aaetools ")]
    return found


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_in_the_documents_are_accepted(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaetools.cli.config.read_config", lambda *arguments: {})
    monkeypatch.setattr("aaetools.cli.unfinished._settings_of", lambda run: run)
    words = shlex.split(line.split(">")[0], comments=True)[1:]
    known = commands()
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    command = known[name]
    with command.make_context(f"aaetools {name}", words[len(name.split()) :]) as context:
        assert context.command is command


def run_examples(path: Path) -> None:
    """Run a document's Python blocks in one namespace, and compare what they print but for its numbers."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    examples = _EXAMPLE.findall(text_of(path))
    assert examples, f"{path.name} has no examples"
    for number, (code, varies, expected) in enumerate(examples, start=1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{path.name}, example {number}", "exec"), namespace)
        if not varies:
            assert masked(printed.getvalue()) == masked(expected), f"{path.name}, example {number}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if "```python" in text_of(path)], ids=lambda path: path.name
)
def test_python_examples_run_and_print_what_the_document_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_examples(path)


def modules() -> list[str]:
    return sorted(
        info.name
        for info in pkgutil.walk_packages(aaetools.__path__, "aaetools.")
        if not info.name.endswith("__main__")
    )


def test_modules_of_all_four_folders_are_looked_at_for_examples() -> None:
    found = set(modules())
    assert {"aaetools.labels", "aaetools.cli.fit", "aaetools.datasets.load", "aaetools.reports.html"} <= found


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


# -- links and places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BY_NAME)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(prose_of(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("path", BY_NAME)
def test_files_named_in_documents_exist(path: Path) -> None:
    for name in re.findall(r"`((?:aaetools|cli|datasets|reports|tests|benchmarks|docs)/[\w./-]+)`", prose_of(path)):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", BY_NAME)
def test_documents_name_no_absolute_path_of_a_machine(path: Path) -> None:
    found = re.findall(r"(?<![\w./:~-])/(?:\w[\w.-]*/)+\w*|[A-Z]:\\\w+", text_of(path))
    assert found == []


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.png")), ids=lambda path: path.name)
def test_pictures_are_small_and_used(path: Path) -> None:
    assert path.stat().st_size < 200_000
    assert any(f"{path.name})" in text_of(document) for document in DOCUMENTS)
