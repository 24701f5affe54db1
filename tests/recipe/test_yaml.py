"""Reading YAML: types of YAML 1.2, a line for every value, and nothing that runs, explodes or hangs."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.errors import RecipeError
from preceptor.recipe.yaml import MOST_BYTES, read_yaml, scalar, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("+5", 5),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("", None),
        ("~", None),
        ("null", None),
        ("NaN", "NaN"),
        ("1e", "1e"),
        ("-", "-"),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", "1e999", "9" * 400])
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(ValueError, match=r"number"):
        scalar(text)


def test_quoted_scalars_stay_text():
    assert read_yaml("a: '1e-3'\nb: \"true\"\nc: |\n  12\n", "r").data == {"a": "1e-3", "b": "true", "c": "12\n"}


def test_every_value_knows_its_line():
    places = read_yaml("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "r.yaml").places
    assert places[("a",)] == "r.yaml:1"
    assert places[("b",)] == "r.yaml:2"
    assert places[("b", 0)] == "r.yaml:3"
    assert places[("b", 1, "c")] == "r.yaml:4"
    assert places[("b", 1, "d")] == "r.yaml:5"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: [1\nb: 2\n", "yaml_syntax", 2),
        ("a: 1\n---\nb: 2\n", "several_documents", 2),
        ("%YAML 1.1\n---\na: no\n", "yaml_version", 2),
        ("a: &x [1]\nb: *x\n", "yaml_alias", 2),
        ("a: &x [*x]\n", "yaml_alias", 1),
        ("? [a]\n: 1\n", "key_form", 1),
        ("\ta: 1\n", "yaml_syntax", 1),
    ],
)
def test_what_stops_the_reading_is_told_with_its_line(text, code, line):
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "r.yaml")
    assert caught.value.problem.code == code
    assert caught.value.problem.where == f"r.yaml:{line}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\na: 2\n", "key_twice"),
        ("a: &x 1\n", "yaml_anchor"),
        ("a: !!str 1\n", "yaml_tag"),
        ("a: !!python/object/apply:os.system [ls]\n", "yaml_tag"),
        ("true: 1\n", "key_form"),
        ("~: 1\n", "key_form"),
        ("a: .nan\n", "number_unreadable"),
    ],
)
def test_what_does_not_hinder_the_reading_is_noted(text, code):
    assert [problem.code for problem in read_yaml(text, "r").problems] == [code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 20_000, "recipe_too_deep"),
        ("a: {" * 20_000, "recipe_too_deep"),
        ("- " * 5_000 + "x", "recipe_too_deep"),
        ("[" + "1," * 100_001 + "]", "recipe_too_large"),
        ("x" * (MOST_BYTES + 1), "recipe_too_large"),
    ],
)
def test_limits_are_met_before_time_or_memory_is_spent(text, code):
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "r")
    assert caught.value.problem.code == code
    assert time.process_time() - began < 2


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        read_yaml(text, "r")
    except RecipeError as error:
        assert error.problem.code  # noqa: PT017  nothing else may be raised


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), _PLAIN, max_size=5))
def test_what_a_resolved_recipe_writes_is_read_back_the_same(data):
    assert (read_yaml(write_yaml(data), "r").data or {}) == data
