"""The shape of the project: what is packaged, who imports whom, what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "aaetools": "aaetools",
    "cli": "aaetools.cli",
    "datasets": "aaetools.datasets",
    "reports": "aaetools.reports",
}

LAYERS = [
    {"exceptions", "memory", "staging"},
    {"annotated", "sealed", "sinks"},
    {"labels", "priors", "preprocessing", "columns", "losses", "networks", "propagation"},
    {"reconstruction"},
    {"model_selection"},
    {"training"},
    {"estimators"},
    {"persistence", "export"},
    {"analysis"},
    {"runs", "streaming"},
    {"reports"},
    {"cli"},
]
"""Lowest first: a module imports from its own layer and from those before it."""
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield (full module name, file) of every module of the library."""
    for folder, package in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            relative = file.relative_to(ROOT / folder)
            if folder == "aaetools" and relative.parts[0] in ("cli", "datasets", "reports"):
                continue  # the links
            parts = [package, *relative.with_suffix("").parts]
            yield ".".join(part for part in parts if part != "__init__"), file


MODULES = dict(modules())


def imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, also inside functions, but not for type checking only."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield node.module or ""


def part(module: str) -> str:
    """Return the part of aaetools that a module belongs to: "aaetools.training.loop" -> "training"."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    own = part(module)
    for imported in imports(MODULES[module]):
        if not imported.startswith("aaetools.") or own in ("", "__main__"):
            continue
        other = part(imported)
        if own == "datasets":
            # inspection says which scaling would be chosen and how columns would be encoded: no matters of torch
            known = ("datasets", "exceptions", "memory", "preprocessing", "columns")
            assert other in known, f"{module} imports {imported}"
        elif other == "datasets":
            # a stream goes from file to file, larger than memory, so nobody can load it first and hand it over
            assert own in ("cli", "streaming"), f"{module} imports {imported}: only the command line loads data"
        else:
            assert RANK[other] <= RANK[own], f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) == "datasets"])
def test_datasets_need_no_torch(module: str) -> None:
    allowed = {"aaetools", "numpy", "pandas", "sklearn", "pyarrow", "scipy", "PIL", "h5py"}
    for imported in imports(MODULES[module]):
        top = imported.split(".")[0]
        assert top in allowed or top in sys.stdlib_module_names, f"{module} imports {imported}"


def test_the_training_loop_knows_no_variant() -> None:
    text = (ROOT / "aaetools/training/loop.py").read_text()
    imported = set(imports(ROOT / "aaetools/training/loop.py"))
    assert not {"aaetools.training.game", "aaetools.training.recipes", "aaetools.priors"} & imported
    for word in ("encoder", "discriminator", "prior", "label"):
        assert word not in text.lower()


def test_every_package_is_in_the_wheel() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {name for name, file in MODULES.items() if file.name == "__init__.py"}
    assert set(setuptools["packages"]) == found
    for name, folder in setuptools["package-dir"].items():
        assert (ROOT / folder).is_dir(), name


def test_every_template_is_in_the_wheel() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packed = {p for pattern in data["aaetools.reports.templates"] for p in (ROOT / "reports/templates").glob(pattern)}
    there = {p for p in (ROOT / "reports/templates").iterdir() if p.is_file() and p.suffix != ".py"}
    assert packed == there


@pytest.mark.parametrize("folder", ["cli", "datasets", "reports"])
def test_the_links_lead_to_the_folders_at_the_top(folder: str) -> None:
    assert (ROOT / "aaetools" / folder).resolve() == (ROOT / folder).resolve()


@pytest.mark.parametrize("module", [name for name, file in MODULES.items() if file.name != "__main__.py"])
def test_all_names_what_the_module_has(module: str) -> None:
    loaded = import_module(module)
    public = getattr(loaded, "__all__", None)
    if public is None:
        assert MODULES[module].read_text().count("def ") == 0, f"{module} has no __all__"
        return
    assert len(set(public)) == len(public)
    missing = [name for name in public if not hasattr(loaded, name)]
    assert not missing, f"{module} names {missing} but has them not"


def test_importing_the_package_does_not_load_torch() -> None:
    heavy = "[m for m in ('torch', 'matplotlib', 'umap') if m in sys.modules]"
    code = f"import sys, aaetools, aaetools.datasets, aaetools.reports; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import aaetools

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = aaetools.nothing
    assert set(aaetools.__all__) <= set(dir(aaetools))


def test_no_module_reads_pickles() -> None:
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("joblib", "load")}, module
        assert not {"pickle", "joblib", "dill", "cloudpickle"} & set(imports(file)), module
