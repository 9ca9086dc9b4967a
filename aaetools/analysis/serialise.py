"""The numbers of an analysis as JSON text, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from aaetools.analysis.results import SCHEMA_VERSION, Analysis, Tables
from aaetools.exceptions import ModelFileError

__all__ = [
    "analysis_from_json",
    "analysis_json_schema",
    "analysis_to_json",
    "json_schema",
    "json_value",
    "result_from_json",
    "result_to_json",
]

Result = TypeVar("Result")


def analysis_to_json(analysis: Analysis) -> str:
    """Return the numbers of an analysis, without its tables, as JSON text that ends in a newline.

    Keys are sorted and only ASCII is used, so that equal analyses give equal bytes. NaN and infinity, which
    JSON does not have, become null.
    """
    return _dumped({field.name: getattr(analysis, field.name) for field in fields(analysis) if field.name != "tables"})


def analysis_from_json(text: str, tables: Tables) -> Analysis:
    """Put an analysis together from its JSON text and its tables.

    Numbers that were NaN or infinite come back as NaN.

    Raises
    ------
    ModelFileError
        If the text is damaged or of a schema version that this release does not read.
    """
    document = _parsed(text, "analysis")
    try:
        read = _document_model().model_validate(document)
    except ValidationError as error:
        raise _damaged(error, "analysis") from error
    return Analysis(tables=tables, **{name: getattr(read, name) for name in type(read).model_fields})


def result_to_json(result: Any) -> str:
    """Return one part of an analysis, such as a :class:`PriorMatch`, as JSON text that ends in a newline.

    The document holds ``schema_version``, ``kind`` (the name of the result's type) and ``result``; otherwise as
    :func:`analysis_to_json`.
    """
    return _dumped({"schema_version": SCHEMA_VERSION, "kind": type(result).__name__, "result": result})


def result_from_json(text: str, kind: type[Result]) -> Result:
    """Read back what :func:`result_to_json` wrote of a result of type ``kind``.

    Numbers that were NaN or infinite come back as NaN.

    Raises
    ------
    ModelFileError
        If the text is damaged, of another kind, or of a schema version that this release does not read.
    """
    document = _parsed(text, "result")
    if document.get("kind") != kind.__name__:
        raise ModelFileError(f"the file holds a {document.get('kind')!r}, not a {kind.__name__!r}; name another file")
    try:
        read: Result = TypeAdapter(kind).validate_python(document.get("result"))
    except ValidationError as error:
        raise _damaged(error, "result") from error
    return read


def analysis_json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of :func:`analysis_to_json`'s text."""
    return json_schema(Analysis)


def json_schema(kind: type) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the document that holds a value of type ``kind``.

    That is :func:`analysis_to_json`'s for :class:`Analysis`, else :func:`result_to_json`'s.

    Examples
    --------
    >>> from aaetools.analysis.results import PriorMatch
    >>> json_schema(PriorMatch)["required"]
    ['schema_version', 'kind', 'result']
    """
    if kind is Analysis:
        found = _document_model().model_json_schema()
        found["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    else:
        found = {
            "type": "object",
            "properties": {
                "schema_version": {"const": SCHEMA_VERSION},
                "kind": {"const": kind.__name__},
                "result": {"$ref": f"#/$defs/{kind.__name__}"},
            },
            "required": ["schema_version", "kind", "result"],
            "additionalProperties": False,
            "$defs": {},
        }
        inner = TypeAdapter(kind).json_schema()
        found["$defs"] = {**inner.pop("$defs", {}), kind.__name__: inner}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__}
    # a default may be NaN, which is no JSON
    return {str(name): json_value(part) for name, part in {**found, **head}.items()}


def json_value(value: Any) -> Any:
    """Return ``value`` in JSON's own types: dataclasses become dicts, NaN and infinity None.

    Anything else becomes the name of its type: a repr may be long, and holds addresses that differ run by
    run.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, np.ndarray):
        return json_value(value.tolist())
    return type(value).__qualname__


def _dumped(document: Mapping[str, Any]) -> str:
    return json.dumps(json_value(document), sort_keys=True, indent=1, allow_nan=False) + "\n"


def _parsed(text: str, what: str) -> dict[str, Any]:
    """Parse a document and check that this release reads its version."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"the {what} is not JSON ({error}); it is damaged, make it again from the run's run.toml"
        ) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ModelFileError(
            f"the {what} has schema version {version!r}, this release of aaetools reads version {SCHEMA_VERSION}: "
            "use the release that made it, or analyse the model again"
        )
    found: dict[str, Any] = document
    return found


def _damaged(error: ValidationError, what: str) -> ModelFileError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return ModelFileError(f"the {what} is damaged at {where}: {first['msg']}; analyse the model again")


@cache
def _document_model() -> type[BaseModel]:
    """Make the model of the JSON document from the fields of :class:`Analysis`, all but the tables.

    A field with a plain default was added later; documents of earlier releases lack it.
    """
    hints = get_type_hints(Analysis, include_extras=True)
    typed: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(Analysis)
    }
    del typed["tables"]
    # "model" is a field of ours, so pydantic's own "model_" names need not be protected.
    config = ConfigDict(extra="forbid", protected_namespaces=())
    return create_model("AnalysisDocument", __config__=config, **typed)
