"""What holds for a plug-in of any slot: one class a file, its schema in its signature, its page in its docstring."""

from __future__ import annotations

import doctest
import inspect
import json
import re
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import torch

from preceptor.core.plugins import CONTRACTS, HOOKS, RESERVED, Nested
from preceptor.core.slots import FOLDERS, build, names, parameters, plugin, summary
from preceptor.recipe.values import conform, describe, plain

from .plugins import each, every, example

#: What an example may use without importing it, as the pages of numpy do.
_GIVEN = {"np": np, "torch": torch, "Path": Path}


def given(instance, cls) -> dict:
    """The parameters of an instance as a recipe would write them."""
    return {name: plain(getattr(instance, name)) for name in parameters(cls)}


@every()
def test_holds_one_public_class(slot, name):
    assert inspect.isclass(plugin(slot, name))  # `plugin` raises unless the file holds exactly one


@every()
def test_its_docstring_is_its_page(slot, name):
    cls = plugin(slot, name)
    page = inspect.getdoc(cls) or ""
    assert cls.__doc__, "the class has a docstring of its own"
    head, _, rest = page.partition("\n")
    assert head.rstrip().endswith((".", "?")) and len(head) <= 120, f"a summary in one line, ending in a stop: {head!r}"
    assert not rest or rest.startswith("\n"), "an empty line follows the summary"
    assert re.search(r"^Source:", page, re.M), "a section Source, or a sentence why there is none"
    assert re.search(r"^Examples?:\n\s+>>> ", page, re.M), "a section Example with a line to try"
    named = set(parameters(cls))
    if named:
        section = re.search(r"^Args:\n((?:[ ]+.*\n|\n)*)", page + "\n", re.M)
        assert section, "a section Args"
        told = set(re.findall(r"^    ([\w, ]+):", section[1], re.M))
        told = {part.strip() for line in told for part in line.split(",")}
        assert named <= told, f"Args leaves out {', '.join(sorted(named - told))}"
        assert told <= named | set(RESERVED), f"Args names what is no parameter: {', '.join(sorted(told - named))}"


@every()
def test_the_example_in_its_docstring_works(slot, name):
    cls = plugin(slot, name)
    module = sys.modules[cls.__module__]
    tests = doctest.DocTestFinder(recurse=False).find(cls, cls.__name__, module, {**_GIVEN, **vars(module)})
    assert sum(len(test.examples) for test in tests)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@every()
def test_its_parameters_are_a_schema(slot, name):
    for parameter in parameters(plugin(slot, name)).values():
        assert parameter.annotation is not typing.Any, f"{parameter.name} has no annotation"
        assert describe(parameter.annotation)
        if not parameter.required:
            assert conform(plain(parameter.default), parameter.annotation) == plain(parameter.default)
        if parameter.nested is not None:
            assert isinstance(parameter.nested, Nested) and parameter.nested.slot in FOLDERS
    hints = typing.get_type_hints(plugin(slot, name).__init__, include_extras=True)
    signature = list(inspect.signature(plugin(slot, name).__init__).parameters)[1:]
    assert all(each in hints for each in signature if each not in ("args", "kwargs")), "every parameter is annotated"


@every()
def test_its_parameters_are_stored_and_the_recipe_form_makes_the_same_again(slot, name):
    cls, instance = plugin(slot, name), example(slot, name)
    assert type(instance) is cls
    for parameter in parameters(cls):
        assert hasattr(instance, parameter), f"{parameter} is not stored under its own name"
    written = json.loads(json.dumps({name: given(instance, cls)}))
    reserved = {key: getattr(instance, key) for key in RESERVED if hasattr(instance, key)}
    again = build(slot, written, **reserved)
    assert given(again, cls) == given(instance, cls)
    for key, value in written[name].items():
        assert conform(value, parameters(cls)[key].annotation) == value


@each(*(slot for slot in FOLDERS if slot != "methods"))
def test_satisfies_its_contract(slot, name):
    assert isinstance(example(slot, name), CONTRACTS[slot])


@each("methods")
def test_a_method_answers_a_hook(slot, name):
    from torch import nn

    method = example(slot, name)
    assert isinstance(method, nn.Module)
    assert [hook for hook in HOOKS if hasattr(method, hook)]


@every()
def test_is_listed_with_a_summary(slot, name):
    assert name in names(slot) and re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert summary(plugin(slot, name))


@pytest.mark.parametrize("slot", FOLDERS)
def test_every_slot_has_at_least_one(slot):
    assert names(slot)
