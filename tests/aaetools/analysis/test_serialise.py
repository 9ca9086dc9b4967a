"""Numbers survive the way through JSON, and damaged or foreign documents are refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from aaetools.analysis.comparison_results import Comparison
from aaetools.analysis.results import Analysis, Clustering, PriorMatch
from aaetools.analysis.serialise import (
    analysis_from_json,
    analysis_json_schema,
    analysis_to_json,
    json_schema,
    json_value,
    result_from_json,
    result_to_json,
)
from aaetools.exceptions import ModelFileError

ROOT = Path(__file__).parents[3]


def numbers(analysis: Analysis) -> dict[str, Any]:
    return {field.name: getattr(analysis, field.name) for field in fields(analysis) if field.name != "tables"}


def test_an_analysis_comes_back_as_it_was(analysis: Analysis) -> None:
    whole = replace(analysis, model=replace(analysis.model, fit_seconds=1.5))
    back = analysis_from_json(analysis_to_json(whole), analysis.tables)
    assert numbers(back) == numbers(whole)
    assert back.tables is analysis.tables


def test_the_text_is_sorted_ascii_and_ends_in_a_newline(analysis: Analysis) -> None:
    odd = replace(analysis, data=replace(analysis.data, name="\u2028</script>é\ud800"))
    text = analysis_to_json(odd)
    assert text.isascii()
    assert text.endswith("}\n")
    document = json.loads(text)
    assert list(document) == sorted(document)
    assert "tables" not in document
    assert analysis_from_json(text, odd.tables).data.name == odd.data.name


def test_numbers_that_json_lacks_become_null_and_nan(analysis: Analysis) -> None:
    summary = replace(analysis.model, fit_seconds=float("nan"), reconstruction_r2=float("inf"))
    text = analysis_to_json(replace(analysis, model=summary))
    assert json.loads(text)["model"]["fit_seconds"] is None
    back = analysis_from_json(text, analysis.tables)
    assert np.isnan(back.model.fit_seconds)
    assert np.isnan(back.model.reconstruction_r2)
    assert analysis_to_json(back) == text


def test_another_schema_version_is_refused_with_the_way_out(analysis: Analysis) -> None:
    document = json.loads(analysis_to_json(analysis))
    for version in (99, None, "1"):
        document["schema_version"] = version
        with pytest.raises(ModelFileError, match="reads version 2: use the release that made it"):
            analysis_from_json(json.dumps(document), analysis.tables)


def test_damage_is_named(analysis: Analysis) -> None:
    text = analysis_to_json(analysis)
    with pytest.raises(ModelFileError, match="not JSON"):
        analysis_from_json(text[:-10], analysis.tables)
    with pytest.raises(ModelFileError, match="schema version None"):
        analysis_from_json("[]", analysis.tables)
    document = json.loads(text)
    document["data"]["n_train"] = "many"
    with pytest.raises(ModelFileError, match=r"damaged at data\.n_train"):
        analysis_from_json(json.dumps(document), analysis.tables)
    document = json.loads(text) | {"surprise": 1}
    with pytest.raises(ModelFileError, match="damaged at surprise"):
        analysis_from_json(json.dumps(document), analysis.tables)


def test_what_was_added_later_may_be_missing(analysis: Analysis) -> None:
    document = json.loads(analysis_to_json(analysis))
    del document["latent_space"]
    back = analysis_from_json(json.dumps(document), analysis.tables)
    assert back.latent_space is None
    assert back.prior_match == analysis.prior_match
    del document["model"]
    with pytest.raises(ModelFileError, match="damaged at model"):
        analysis_from_json(json.dumps(document), analysis.tables)


def test_the_schema_describes_every_part(analysis: Analysis) -> None:
    schema = analysis_json_schema()
    assert set(schema["properties"]) == set(json.loads(analysis_to_json(analysis)))
    assert {"type": "null"} in schema["$defs"]["ModelSummary"]["properties"]["fit_seconds"]["anyOf"]


def test_foreign_values_become_plain_ones() -> None:
    value = {"a": np.float32(0.5), 1: (np.int64(3), np.array([1.0, np.nan])), "f": object(), "b": np.True_}
    assert json_value(value) == {"a": 0.5, "1": [3, [1.0, None]], "f": "object", "b": True}


def test_a_part_comes_back_as_it_was(analysis: Analysis) -> None:
    text = result_to_json(analysis.prior_match)
    assert result_from_json(text, PriorMatch) == analysis.prior_match
    assert json.loads(text)["kind"] == "PriorMatch"


def test_a_part_of_another_kind_or_damaged_is_refused(analysis: Analysis) -> None:
    text = result_to_json(analysis.prior_match)
    with pytest.raises(ModelFileError, match="holds a 'PriorMatch', not a 'Clustering'"):
        result_from_json(text, Clustering)
    document = json.loads(text)
    document["result"]["n"] = "many"
    with pytest.raises(ModelFileError, match="the result is damaged at n"):
        result_from_json(json.dumps(document), PriorMatch)
    with pytest.raises(ModelFileError, match="schema version 99"):
        result_from_json(json.dumps(document | {"schema_version": 99}), PriorMatch)
    with pytest.raises(ModelFileError, match="not JSON"):
        result_from_json(text[: len(text) // 2], PriorMatch)


@pytest.mark.parametrize(("name", "kind"), [("analysis", Analysis), ("comparison", Comparison)])
def test_the_published_schemas_are_those_of_this_release(name: str, kind: type) -> None:
    """After a change: ``aaetools report --schema`` and ``aaetools compare --schema`` print them."""
    published = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text("utf-8"))
    assert published == json_schema(kind)


def test_analyses_and_their_parts_fit_their_schemas(analysis: Analysis) -> None:
    odd = replace(analysis, model=replace(analysis.model, fit_seconds=float("nan")))
    jsonschema.validate(json.loads(analysis_to_json(odd)), json_schema(Analysis))
    document, schema = json.loads(result_to_json(analysis.prior_match)), json_schema(PriorMatch)
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"kind": "Clustering"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"schema_version": 99}, schema)
