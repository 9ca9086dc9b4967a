"""What is installed for development is pinned, locked by hashes, and above versions with known holes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [
    Requirement(line)
    for line in sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    if not line.startswith(f"{PROJECT['name']}[")
]
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
WITHOUT_HASH = {"torch"}
"""Its files differ by build; so do those that only it needs."""


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }


def locked() -> dict[str, list[str]]:
    """Return the versions of each package in the lock; there are several where platforms need others."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, flags=re.M):
        found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_every_dependency_is_pinned_and_locked_to_what_is_allowed(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    assert requirement.specifier.contains(pins()[name])
    assert locked().get(name) == (None if name in WITHOUT_HASH else [pins()[name]]), "run make lock"


def test_the_lock_keeps_to_the_pins() -> None:
    for name, versions in locked().items():
        assert name not in pins() or versions == [pins()[name]], f"{name}: run make lock"


def test_every_entry_of_the_lock_has_hashes_and_names_no_place() -> None:
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.M)[1:]
    assert len(entries) > 50
    for entry in entries:
        assert re.fullmatch(r"\S+==\S+( ; [^\\]+)? \\\n( {4}--hash=sha256:[0-9a-f]{64}( \\)?\n)+", entry), entry[:80]
    assert "://" not in LOCK
    assert not re.search(r"^(torch|triton|cuda-|nvidia-)", LOCK, flags=re.M)


@pytest.mark.parametrize(("name", "version"), [("torch", "2.9.1"), ("pyarrow", "14.0.0"), ("onnx", "1.20.1")])
def test_versions_with_known_holes_are_not_allowed(name: str, version: str) -> None:
    for requirement in DIRECT:
        assert canonicalize_name(requirement.name) != name or not requirement.specifier.contains(version)
    assert name in {canonicalize_name(requirement.name) for requirement in DIRECT}


def test_what_builds_the_package_is_locked_too() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for requirement in map(Requirement, build):
        assert requirement.specifier.contains(locked()[canonicalize_name(requirement.name)][0])
