"""Several readers of one image: kept apart, compared, and brought to a consensus that says how it was reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.maths.agreement import cohen_kappa, cross_table, fleiss_kappa
from preceptor.maths.consensus import Tie, majority, staple

from .files import shape_of
from .painting import as_geometry, as_mask
from .record import Annotation, Annotations

if TYPE_CHECKING:
    import pandas

Method = Literal["majority", "staple"]
_Place = tuple[Any, ...]


class _Reading:
    """What each reader marked, by label and place.

    Who said anything at all of a place has looked at it: another label's absence then means that it is not there. Where files
    list what was looked at, or `everyone` is true, silence counts as well.
    """

    def __init__(self, annotations: Annotations, everyone: bool) -> None:
        self.annotations = annotations
        self.readers = annotations.readers
        if len(self.readers) < 2:
            raise CohortError(
                f"the annotations are of {len(self.readers)} reader",
                expected="two readers or more",
                remedy="name the readers of several files with --reader",
                code="readers_few",
            )
        self.looked: dict[_Place, set[str | None]] = defaultdict(set)
        self.rows: dict[tuple[str, _Place], dict[str | None, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
        self.left = 0
        for row in annotations.rows:
            self.looked[row.place].add(row.reader)
            self.rows[row.label, row.place][row.reader].append(row)
        if everyone:
            self.looked = {place: set(self.readers) for place in self.looked}

    def drawn(self) -> Iterator[tuple[str, _Place, list[str | None], np.ndarray]]:
        """Each label and place that someone drew: who looked, and ``(reader, *space)`` what they marked."""
        for (label, place), by_reader in self.rows.items():
            rows = [row for given in by_reader.values() for row in given if row.kind not in ("none",)]
            if not rows:
                continue
            shapes = {shape_of(row, self.annotations) for row in rows}
            shape = shapes.pop()
            if shape is None or shapes or any(row.kind in ("line", "point") for row in rows):
                self.left += len(rows)
                continue
            who = [reader for reader in self.readers if reader in self.looked[place]]
            marked = np.zeros((len(who), *shape), dtype=bool)
            for number, reader in enumerate(who):
                for row in by_reader.get(reader, ()):
                    marked[number] |= as_mask(row, shape)
            yield label, place, who, marked

    def said(self) -> Iterator[tuple[str, list[_Place], np.ndarray]]:
        """Each label that is said of whole places: those that every reader looked at, and ``(reader, place)`` who said it."""
        labels = dict.fromkeys(row.label for row in self.annotations.rows if row.kind == "none")
        places = [place for place, who in self.looked.items() if who == set(self.readers)]
        for label in labels:
            if places:
                yield (
                    label,
                    places,
                    np.array([[reader in self._who(label, place) for place in places] for reader in self.readers]),
                )

    def _who(self, label: str, place: _Place) -> set[str | None]:
        return set(self.rows.get((label, place), ()))


def agreement(annotations: Annotations, *, everyone: bool = False) -> pandas.DataFrame:
    """How far readers agree: overlap of what they drew, kappa of what they said.

    Args:
        annotations: Of two readers or more.
        everyone: Every reader looked at every place, so that silence means that there was nothing.

    Returns:
        A row for each label and pair of readers: ``measure`` (``dice``, mean over places that both looked at and one marked;
        ``kappa``, Cohen's), ``value``, ``lower`` and ``upper`` (95 %, of kappa), ``places``; and of three readers or more a row
        with Fleiss' kappa for all of them.

    Raises:
        CohortError: There are fewer than two readers.

    Source: Dice 1945; Cohen 1960; Fleiss 1971.
    """
    import pandas

    reading = _Reading(annotations, everyone)
    overlaps: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for label, _, who, marked in reading.drawn():
        for first, second in combinations(range(len(who)), 2):
            total = int(marked[first].sum() + marked[second].sum())
            if total:
                both = int((marked[first] & marked[second]).sum())
                overlaps[label, str(who[first]), str(who[second])].append(2 * both / total)
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "readers": f"{one}, {other}",
            "measure": "dice",
            "value": float(np.mean(each)),
            "places": len(each),
        }
        for (label, one, other), each in overlaps.items()
    ]
    for label, places, said in reading.said():
        for first, second in combinations(range(len(said)), 2):
            found = cohen_kappa(cross_table(said[first], said[second], 2))
            names = f"{reading.readers[first]}, {reading.readers[second]}"
            told = {"label": label, "readers": names, "measure": "kappa", "value": found.value}
            rows.append({**told, "lower": found.lower, "upper": found.upper, "places": len(places)})
        if len(said) > 2:
            found = fleiss_kappa(np.stack([(~said).sum(0), said.sum(0)], axis=1))
            told = {"label": label, "readers": "all", "measure": "Fleiss' kappa", "value": found.value}
            rows.append({**told, "lower": found.lower, "upper": found.upper, "places": len(places)})
    return pandas.DataFrame(rows, columns=["label", "readers", "measure", "value", "lower", "upper", "places"])


def consensus(
    annotations: Annotations, method: Method, *, tie: Tie = "refuse", everyone: bool = False
) -> tuple[Annotations, pandas.DataFrame]:
    """One reading made of several.

    ``majority`` marks what more than half of those who looked marked; ``staple`` what is more likely than not to be there, given
    each reader's own sensitivity and specificity, which are estimated with it (three readers or more). STAPLE's prior is
    the share of the whole image that was marked: crop images alike before comparing.

    Args:
        annotations: Of two readers or more; points and lines are left out.
        method: ``majority`` or ``staple``.
        tie: Of a majority, what becomes of voxels that exactly half marked: ``background``, ``foreground`` or ``refuse``.
        everyone: Every reader looked at every place, so that silence means that there was nothing.

    Returns:
        The consensus, its rows masks of the reader ``consensus``; and the readers' quality: a row for each label, place and
        reader with ``sensitivity`` and ``specificity`` (of a majority: measured against it), ``prior``, ``converged``.

    Raises:
        CohortError: Too few readers, or ties that are to be refused.

    Source: Warfield, Zou & Wells 2004 (STAPLE).
    """
    import pandas

    reading = _Reading(annotations, everyone)
    rows: list[Annotation] = []
    quality: list[dict[str, Any]] = []
    for label, place, who, marked in reading.drawn():
        mask, told = _decided(marked, method, tie, label)
        first = next(row for given in reading.rows[label, place].values() for row in given)
        geometry = as_geometry(mask, first.geometry.get("affine_mm") if first.kind == "mask" else None)
        case, series, image, frame = place
        if mask.any():
            found = Annotation(case, label, "mask", geometry, "consensus", first.scope, series, image, frame)
            rows.append(found)
        quality += [
            {"label": label, "place": image or series or case, "reader": who[n], **each} for n, each in enumerate(told)
        ]
    for label, places, said in reading.said():
        agreed, told = _decided(said, method, tie, label)
        for (case, series, image, frame), there in zip(places, agreed, strict=True):
            if there:
                scope = "image" if image else "series" if series else "study"
                rows.append(Annotation(case, label, "none", None, "consensus", scope, series, image, frame))  # type: ignore[arg-type]
        quality += [
            {"label": label, "place": f"{len(places)} places", "reader": reading.readers[n], **each}
            for n, each in enumerate(told)
        ]
    notes = (
        *annotations.notes,
        *([f"{reading.left} left out: points, lines, or of unknown size"] if reading.left else []),
    )
    made = Annotations(tuple(rows), annotations.sizes, annotations.labels, notes)
    columns = ["label", "place", "reader", "sensitivity", "specificity", "prior", "converged"]
    return made, pandas.DataFrame(quality, columns=columns)


def _decided(marked: np.ndarray, method: Method, tie: Tie, label: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
    try:
        if method == "staple":
            found = staple(marked)
            told = [
                {"sensitivity": high, "specificity": low, "prior": found.prior, "converged": found.converged}
                for high, low in zip(found.sensitivity.tolist(), found.specificity.tolist(), strict=True)
            ]
            return found.probability > 0.5, told
        agreed = majority(marked, tie)
    except ValueError as error:
        raise CohortError(
            str(error),
            where=f"label {label}",
            expected="three readers or more for STAPLE; a rule for ties for a majority of an even number",
            remedy="--consensus majority --tie background, or ask another reader",
            code="consensus",
        ) from error
    told = []
    for each in marked:
        with np.errstate(invalid="ignore", divide="ignore"):
            hit = np.float64((each & agreed).sum()) / agreed.sum()
            passed = np.float64((~each & ~agreed).sum()) / (~agreed).sum()
        told.append({"sensitivity": float(hit), "specificity": float(passed), "prior": None, "converged": None})
    return agreed, told
