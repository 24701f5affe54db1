"""What plug-ins and settings say of themselves: pages, the JSON Schema, the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preceptor.core.errors import RecipeError
from preceptor.core.slots import FOLDERS, names, parameters, plugin
from preceptor.recipe.document import about, document, find
from preceptor.recipe.jsonschema import json_schema
from preceptor.recipe.reference import reference


@pytest.mark.parametrize("slot", FOLDERS)
def test_the_first_line_read_from_the_file_is_that_of_the_class(slot):
    for name in names(slot):
        assert about(slot, name) == plugin(slot, name).__doc__.strip().splitlines()[0]


@pytest.mark.parametrize("slot", FOLDERS)
def test_every_plug_in_has_a_page_that_explains_every_parameter(slot):
    for name in names(slot):
        page = document(slot, name)
        for row in page.record["parameters"]:
            assert row["about"] or row["name"] in ("weight", "output"), f"{slot}/{name}: {row['name']} is not explained"
            assert row["name"] in page.text


def test_a_word_finds_every_plug_in_of_that_name():
    assert find("dice") == [("objectives", "dice"), ("evaluators", "dice")]
    assert find("evaluators/dice") == find("evaluator/dice") == [("evaluators", "dice")]
    assert find("adamw") == [("optimizers", "adamw")]
    assert find("train") == [("train", "train")]


def test_a_misspelt_plug_in_is_answered_with_the_nearest():
    with pytest.raises(RecipeError) as caught:
        find("unett")
    assert "'unet'" in caught.value.problem.remedy


def test_the_schema_knows_what_the_check_knows():
    schema = json_schema()
    networks = schema["$defs"]["networks"]["anyOf"]
    assert "unet" in networks[0]["enum"]
    assert set(networks[1]["properties"]) == set(names("networks"))
    unet = networks[1]["properties"]["unet"]["properties"]
    assert set(unet) == set(parameters(plugin("networks", "unet")))
    assert "description" in unet["channels"]
    assert schema["required"] == ["cohort", "task", "network", "objective"]
    assert schema["properties"]["train"]["properties"]["optimizer"]["$ref"] == "#/$defs/optimizers"
    assert "weight" in schema["$defs"]["objectives"]["anyOf"][-1]["properties"]["dice"]["properties"]
    json.dumps(schema)


def test_every_reference_in_the_schema_leads_somewhere():
    schema = json_schema()
    text = json.dumps(schema)
    for part in text.split('"$ref": "')[1:]:
        assert part.partition('"')[0].removeprefix("#/$defs/") in schema["$defs"]


def test_a_plug_in_that_must_be_told_something_cannot_stand_alone_in_the_schema():
    gates = json_schema()["$defs"]["gates"]["anyOf"]
    full = gates[-1]["properties"]
    assert full["at_least"]["required"] == ["finding", "value"]
    assert not any("at_least" in each.get("enum", ()) for each in gates)


def test_the_reference_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "reference" / "recipe.md"
    assert page.read_text(encoding="utf-8") == reference(), (
        "python -m preceptor.recipe.reference > docs/reference/recipe.md"
    )
