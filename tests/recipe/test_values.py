"""Values against annotations: strict, in words, and where inside a value the fault lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt, MinLen

from preceptor.recipe.values import conform, describe, plain, shown


@pytest.mark.parametrize(
    ("value", "annotation", "found"),
    [
        (1, float, 1.0),
        (0.5, Annotated[float, Ge(0), Le(1)], 0.5),
        ([1, 2], list[float], [1.0, 2.0]),
        ([1, 2], tuple[int, int], [1, 2]),
        (None, int | None, None),
        (32, Literal["32", "bf16"], "32"),
        ("a/b", Path, "a/b"),
        ({"a": 1}, dict[str, int], {"a": 1}),
        ({"a": ["*"]}, list[str] | dict[str, list[Any]], {"a": ["*"]}),
        (float("inf"), float, float("inf")),
    ],
)
def test_what_conforms_comes_back_as_plain_data(value, annotation, found):
    given = conform(value, annotation)
    assert given == found
    assert type(given) is type(found)


@pytest.mark.parametrize(
    ("value", "annotation", "inside"),
    [
        ("1e-3", float, ()),
        (True, int, ()),
        (True, float, ()),
        (1, bool, ()),
        (1.5, int, ()),
        (3.0, int, ()),
        ("true", bool, ()),
        (1, str, ()),
        (0, Annotated[int, Ge(1)], ()),
        (1.0, Annotated[float, Lt(1)], ()),
        ([1, "2"], list[int], (1,)),
        ({"a": 1, "b": "2"}, dict[str, int], ("b",)),
        ([1, 2, 3], tuple[int, int], ()),
        ([16], Annotated[list[int], Len(2, 3)], ()),
        ([16, 0, 16], Annotated[list[Annotated[int, Ge(1)]], Len(2, 3)], (1,)),
        ("fast", Literal["32", "bf16"], ()),
        (None, int, ()),
        (1j, float, ()),
        ({"a": {"b": 1}}, dict[str, dict[str, str]], ("a", "b")),
        ("x", int | list[int], ()),
    ],
)
def test_what_does_not_conform_says_where_inside(value, annotation, inside):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  its args are what is tested
        conform(value, annotation)
    assert caught.value.args == (inside,)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (Annotated[float, Gt(0)], "a number above 0"),
        (Annotated[float, Ge(0), Lt(1)], "a number at least 0 and below 1"),
        (list[float], "a list of numbers"),
        (list[list[int]], "a list of lists of whole numbers"),
        (Annotated[list[Annotated[int, Ge(1)]], Len(2, 3)], "a list of whole numbers at least 1, 2 to 3 of them"),
        (Annotated[list[int], MinLen(1)], "a list of whole numbers, 1 or more of them"),
        (tuple[float, float], "a list of 2, each a number"),
        (int | None, "a whole number or null"),
        (Annotated[int | None, Ge(1)], "a whole number at least 1 or null"),
        (Literal["patient", "image"], "'patient' or 'image'"),
        (dict[str, int], "a mapping from text to a whole number"),
        (list[str] | dict[str, Any], "a list of text or a mapping from text to any value"),
        (bool, "true or false"),
        (Path, "a path"),
    ],
)
def test_annotations_in_words(annotation, words):
    assert describe(annotation) == words


def test_values_are_shown_as_a_person_writes_them():
    assert shown("1e-3") == '"1e-3" (text)'
    assert shown([1, 2]) == "[1, 2]"
    assert shown(None) == "null"
    assert shown(True) == "true"
    assert len(shown("x" * 500)) <= 70


def test_plain_data_holds_no_tuples_paths_or_sets():
    assert plain({"a": (1, Path("x/y")), "b": {3, 1}}) == {"a": [1, "x/y"], "b": [1, 3]}
