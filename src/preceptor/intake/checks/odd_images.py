"""Images that show nothing, or are of another kind than the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task
from preceptor.intake.copies.duplicates import pack, thumbnail, unpack
from preceptor.intake.orientation import find_changed, find_odd, fit_orientation

#: Cases that have a view, with what was seen of it.
_Seen = list[tuple[Case, Mapping[str, Any]]]


class OddImages:
    """Blank and saturated images, other channels, axes or modality than the rest, inverted and turned pictures.

    Blank: nearly one value everywhere. Saturated: much of the image at its brightest value. How pictures lie is learnt
    from the cohort itself (`preceptor.intake.orientation`), and from the training cases for a model, which then refuses
    one that lies differently; volumes say it in their affine. A mirror image is not found.

    Args:
        blank: Standard deviation, as a share of full scale, below which an 8-bit picture is blank. Of other images the
            scale is not known; they are blank where they have one value.
        saturated: Share of a picture's pixels at full scale from which it is told.

    Raises: nothing; it returns `Problem` records. Blank images, and those with other channels or axes than the rest,
    are an ``error``; the others a ``warning``.

    Source: own. Of chest X-rays the flattest has a standard deviation of 0.056 of full scale.

    Example:
        >>> OddImages()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(
        self, blank: Annotated[float, Ge(0), Lt(1)] = 0.02, saturated: Annotated[float, Gt(0), Lt(1)] = 0.5
    ) -> None:
        self.blank = blank
        self.saturated = saturated
        self._state: Mapping[str, Any] | None = None

    @classmethod
    def example(cls) -> OddImages:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        return {view: self._describe(image) for view, image in sample.images.items()}

    def _describe(self, image: Image) -> dict[str, Any]:
        array = image.array
        eight_bits = array.dtype == np.uint8
        with np.errstate(invalid="ignore"):  # values that are no numbers are told by `unreadable`
            spread = float(array.std(dtype=np.float64))
        fact = {
            "layout": f"{image.channels} channel{'s' if image.channels > 1 else ''}, {image.space_dims}D"
            + (" with time" if image.has_time else ""),
            "modality": str(image.meta.get("modality") or ""),
            "blank": spread < self.blank * 255 if eight_bits else spread == 0,
            "saturated": eight_bits and float((array == 255).mean()) > self.saturated,
        }
        if image.space_dims == 2 and not fact["blank"]:
            fact["thumbnail"] = pack(thumbnail(image))
        return fact

    def fit(self, cohort: Cohort, facts: Mapping[str, Any]) -> dict[str, Any]:
        """``{view: what tells a picture that lies differently}`` from the training cases, or all where none has a role."""
        state = {}
        for view in cohort.views:
            shown = _thumbnails(_seen(view, cohort.with_role("train") or cohort.cases, facts))
            people = [case.cluster for case, _ in shown]
            state[view] = fit_orientation(np.stack([small for _, small in shown]), people) if shown else {}
        return state

    def with_state(self, state: Mapping[str, Any]) -> OddImages:
        fitted = copy(self)
        fitted._state = state
        return fitted

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        problems = []
        for view in cohort.views:
            seen = _seen(view, cohort.cases, facts)
            state = None if self._state is None else self._state.get(view, {})
            problems += _blank(view, seen) + _another_kind(view, seen) + _lying_differently(view, seen, state)
        return problems


def _seen(view: str, cases: Sequence[Case], facts: Mapping[str, Any]) -> _Seen:
    return [(case, facts[case.key][view]) for case in cases if view in (facts.get(case.key) or {})]


def _thumbnails(seen: _Seen) -> list[tuple[Case, np.ndarray]]:
    """The pictures among the images, in small."""
    return [(case, unpack(fact["thumbnail"])[0]) for case, fact in seen if "thumbnail" in fact]


def _named(cases: list[Case]) -> str:
    return f"{len(cases)} images" if len(cases) > 1 else "1 image"


def _blank(view: str, seen: _Seen) -> list[Problem]:
    problems = []
    blank = [case for case, fact in seen if fact["blank"]]
    if blank:
        problems.append(
            Problem(
                f"{_named(blank)} of {view} {'show' if len(blank) > 1 else 'shows'} nothing: nearly one value everywhere",
                f"view {view}",
                "an image",
                "look at the file; export it again, or exclude the case",
                "image_blank",
                tuple(case.key for case in blank),
            )
        )
    saturated = [case for case, fact in seen if fact["saturated"]]
    if saturated and len(saturated) < len(seen) / 2:  # stained tissue on white is no fault
        problems.append(
            Problem(
                f"{_named(saturated)} of {view} {'are' if len(saturated) > 1 else 'is'} mostly at full brightness",
                f"view {view}",
                "grey values within the range",
                "look at the window the picture was exported with",
                "image_saturated",
                tuple(case.key for case in saturated),
                "warning",
            )
        )
    return problems


def _another_kind(view: str, seen: _Seen) -> list[Problem]:
    problems = []
    for what, code, severity, remedy in (
        ("layout", "image_layout", "error", "bring them to one form, or make them views of their own"),
        ("modality", "image_modality", "warning", "make another modality a view of its own, or exclude it"),
    ):
        kinds: dict[str, list[Case]] = defaultdict(list)
        for case, fact in seen:
            if fact[what]:
                kinds[fact[what]].append(case)
        if len(kinds) > 1:
            counts = Counter({kind: len(cases) for kind, cases in kinds.items()}).most_common()
            others = [case.key for kind, _ in counts[1:] for case in kinds[kind]]
            problems.append(
                Problem(
                    f"images of {view} are of {len(counts)} kinds: "
                    + ", ".join(f"{number} of {kind}" for kind, number in counts[:6]),
                    f"view {view}",
                    "one kind in a view",
                    remedy,
                    code,
                    tuple(others),
                    "error" if severity == "error" else "warning",
                )
            )
    return problems


def _lying_differently(view: str, seen: _Seen, state: Mapping[str, Any] | None) -> list[Problem]:
    shown = _thumbnails(seen)
    if not shown:
        return []
    stack = np.stack([small for _, small in shown])
    odd = find_odd(stack, [case.cluster for case, _ in shown]) if state is None else find_changed(state, stack)
    problems = []
    for change, marked in odd.items():
        cases = [case for (case, _), is_odd in zip(shown, marked, strict=True) if is_odd]
        if cases:
            problems.append(
                Problem(
                    f"{_named(cases)} of {view} {'look' if len(cases) > 1 else 'looks'} {change}",
                    f"view {view}",
                    "every picture shown as the others are",
                    "look at them; store them anew as the others are",
                    "image_inverted" if change == "inverted" else "image_turned",
                    tuple(case.key for case in cases),
                    "warning" if state is None else "error",
                )
            )
    return problems
