"""Checklists of reporting: each item answered from the run's own record, by the authors, or openly not.

A list is a data file: items with their official number, in our words, with the facts of the record that answer them.
An item all of whose facts the record holds, and that asks for nothing beyond them, is *answered*; one that it answers
to a part names the rest and is *answered in part*; what the authors wrote is *given*; everything else is *not
answered*, with what is needed for it.

In the file an item has ``number, section, asks`` and of these: ``facts`` (all of them answer it), ``also`` (said where
the record holds them), ``rest`` (what no record can say), ``needs`` (what is needed where facts are absent).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import getmembers, isfunction
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from preceptor.core.errors import RecipeError
from preceptor.prove.report.record import Record

from . import cohort_facts, evidence_facts, training_facts

Fact = Callable[[Record], str | None]
Status = Literal["answered", "answered in part", "given", "not answered"]

_HERE = Path(__file__).parent


def _functions(module: ModuleType) -> dict[str, Fact]:
    return {
        name: function
        for name, function in getmembers(module, isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and function.__annotations__.get("return") == "str | None"
    }


#: What a record can be asked: every public function of the three files that takes a record and returns text or None.
FACTS: Mapping[str, Fact] = {
    name: function
    for module in (cohort_facts, training_facts, evidence_facts)
    for name, function in _functions(module).items()
}


@dataclass(frozen=True)
class Item:
    """One item of a list.

    Args:
        number: As the list's authors number it.
        section: Of the list.
        asks: What is to be reported, in our words.
        status: Whether and by whom it is answered.
        answer: What the record says; empty where it says nothing.
        given: What the authors wrote; empty where they wrote nothing.
        needs: What is still needed; empty where nothing is.
    """

    number: str
    section: str
    asks: str
    status: Status
    answer: str = ""
    given: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Checklist:
    """A list filled from one run.

    Args:
        name: Of its data file.
        title, version, source: Of the list.
        run: Name of the run's folder.
        items: In the list's order.
        note: What a reader of it must know.
        form: Read item by item, or as a document with headings (a model card, a data sheet).
    """

    name: str
    title: str
    version: str
    source: str
    run: str
    items: tuple[Item, ...]
    note: str = ""
    form: Literal["list", "document"] = "list"

    def count(self, status: Status) -> int:
        """How many items have this status."""
        return sum(item.status == status for item in self.items)

    @property
    def summary(self) -> str:
        """``52 items: 20 answered from the record, …``."""
        kinds: tuple[tuple[Status, str], ...] = (
            ("answered", "answered from the record"),
            ("answered in part", "answered in part"),
            ("given", "given by the authors"),
            ("not answered", "not answered"),
        )
        counts = [f"{self.count(status)} {words}" for status, words in kinds if self.count(status)]
        return f"{len(self.items)} items: {', '.join(counts)}."

    def as_markdown(self) -> str:
        """The list as Markdown."""
        from .writing import as_markdown

        return as_markdown(self)


def names() -> tuple[str, ...]:
    """Names of the lists that are there."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.yaml")))


def checklist(record: Record, name: str, answers: Mapping[str, str] | None = None) -> Checklist:
    """Fill a list from a run's record.

    Args:
        record: Of the run.
        name: Of the list: one of `names`.
        answers: ``{number: text}`` by the authors; they stand beside what the record says, and are marked.

    Raises:
        RecipeError: There is no such list, or an answer's number is none of the list's.
    """
    document = document_of(name)
    answers = dict(answers or {})
    numbers = [str(each["number"]) for each in document["items"]]
    unknown = sorted(set(answers) - set(numbers))
    if unknown:
        raise RecipeError(
            f"{document['title']} has no item {', '.join(unknown[:5])}",
            expected=f"numbers of the list: {', '.join(numbers[:6])} …",
            code="checklist_number",
        )
    items = tuple(_item(record, each, answers.get(str(each["number"]), "")) for each in document["items"])
    return Checklist(
        name,
        title=str(document["title"]),
        version=str(document["version"]),
        source=str(document["source"]),
        run=record.folder.name,
        items=items,
        note=str(document.get("note", "")),
        form="document" if document.get("form") == "document" else "list",
    )


def document_of(name: str) -> dict[str, Any]:
    """A list as its data file has it.

    Raises:
        RecipeError: There is no such list.
    """
    if name not in names():
        raise RecipeError(
            f"there is no checklist '{name}'", expected=f"one of {', '.join(names())}", code="checklist_name"
        )
    return YAML(typ="safe", pure=True).load((_HERE / f"{name}.yaml").read_text(encoding="utf-8"))


def read_given(path: Path, name: str) -> dict[str, str]:
    """The authors' answers: a YAML file ``{number: text}``, or ``{list: {number: text}}`` for several lists.

    Args:
        path: Of the file.
        name: Of the list.

    Raises:
        RecipeError: It is no such file.
    """
    if not path.exists():
        raise RecipeError("the file of answers is not there", where=path.name, code="checklist_answers")
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
    except (YAMLError, UnicodeDecodeError):
        document = None
    if isinstance(document, Mapping) and any(isinstance(each, Mapping) for each in document.values()):
        document = document.get(name, {})
    if not isinstance(document, Mapping) or not all(_is_text(each) for each in document.values()):
        raise RecipeError(
            "the answers can't be read",
            where=path.name,
            expected='lines such as "3a: the text", with the list\'s numbers, or one such block for each list',
            code="checklist_answers",
        )
    return {str(number): str(text).strip() for number, text in document.items() if str(text).strip()}


def _item(record: Record, entry: Mapping[str, Any], given: str) -> Item:
    needed = {fact: FACTS[fact](record) for fact in entry.get("facts", ())}
    further = [FACTS[fact](record) for fact in entry.get("also", ())]
    said = [text.strip() for text in (*needed.values(), *further) if text and text.strip()]
    absent = [_first_line(FACTS[fact]) for fact, text in needed.items() if not text]
    asked = str(entry.get("needs", ""))
    rest = [str(entry["rest"])] if "rest" in entry else []
    if any(needed.values()):
        rest = [*absent, *rest]
    else:
        rest = [asked or "; ".join((*absent, *rest))]
    status: Status = "not answered" if not said else "answered in part" if rest else "answered"
    if given:
        status, rest = "given", []
    return Item(
        number=str(entry["number"]),
        section=str(entry["section"]),
        asks=str(entry["asks"]),
        status=status,
        answer=" ".join(dict.fromkeys(said)),
        given=given,
        needs="; ".join(rest),
    )


def _first_line(fact: Fact) -> str:
    """What a fact tells, as its documentation has it."""
    line = (fact.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return line[:1].lower() + line[1:]


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
