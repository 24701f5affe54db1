"""Images noisier, more blurred or more cut off in brightness than the rest, and volumes with spoilt slices."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task
from preceptor.maths.quality import noise_deviation, planes_of, shares_at_ends, sharpness, spoilt_slices
from preceptor.maths.reference import threshold

#: Fewer images of a view than this say too little of how their quality varies.
_ENOUGH = 20

#: A limit lies this much beyond the quantile: what is a little worse than all others is still one of them.
_MARGIN = 1.25

#: What this share of the images shows is usual, however the others spread.
_USUAL = 0.05

#: Less than this share of the pixels at an end of the range is never told.
_FEW_PIXELS = 0.05


class _Measure(NamedTuple):
    """One thing an image may have too much of."""

    code: str
    says: str
    shown: str
    remedy: str


_MEASURES = {
    "noise": _Measure(
        "image_noisy", "noisier than", "{:.2%} of the range of values", "look at dose, coil or gain; filter or exclude"
    ),
    "blur": _Measure(
        "image_blurred", "more blurred than", "a blur index of {:.3g}", "look for motion, defocus or enlargement"
    ),
    "dark": _Measure(
        "image_dark_cut",
        "more cut off in the dark than",
        "{:.1%} of the pixels at the lowest value",
        "look at the window it was exported with, and whether part of the image is missing",
    ),
    "bright": _Measure(
        "image_bright_cut",
        "more cut off in the light than",
        "{:.1%} of the pixels at the highest value",
        "look at the window it was exported with, and at the exposure",
    ),
}


class ImageQuality:
    """Noise, blur, values cut off, and empty or repeated slices, against what is usual for the view.

    How noisy and how sharp images of a kind are, and how much of them lies at the ends of their range, is learnt from
    the training cases (from all, before there are roles) and kept with the model: a new image beyond any limit is
    refused with the reason. Noise and sharpness are measured on the pixels as they were stored, in each view's finest
    planes. Motion is not checked: no simple statistic finds it.

    Args:
        refused_share: Of images of the same kind that may be told for one of the four, at most.

    Raises: nothing; it returns `Problem` records. Spoilt slices are an ``error``; the limits give a ``warning`` in a
    cohort and an ``error`` when a model is asked.

    Source: Immerkaer 1996 (noise); Pertuz 2013 (Laplacian as a measure of focus); limits as in
        `preceptor.maths.reference.threshold`, widened by a quarter.

    Example:
        >>> from pathlib import Path
        >>> ImageQuality()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, refused_share: Annotated[float, Gt(0), Lt(0.5)] = 0.002) -> None:
        self.refused_share = refused_share
        self._state: Mapping[str, Mapping[str, float]] | None = None

    @classmethod
    def example(cls) -> ImageQuality:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        return {view: _measured(image) for view, image in sample.images.items()}

    def fit(self, cohort: Cohort, facts: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        """``{view: {measure: limit}}`` from the training cases, or from all where none has a role."""
        cases = cohort.with_role("train") or cohort.cases
        state = {}
        for view in cohort.views:
            seen = [facts[case.key][view] for case in cases if view in (facts.get(case.key) or {})]
            limits = {}
            for name in _MEASURES:
                values = [each[name] for each in seen if each.get(name) is not None]
                if len(values) >= _ENOUGH:
                    far = max(threshold(values, self.refused_share), float(np.quantile(values, 1 - _USUAL)))
                    limits[name] = max(_MARGIN * far, _FEW_PIXELS if name in ("dark", "bright") else 0.0)
            state[view] = limits
        return state

    def with_state(self, state: Mapping[str, Any]) -> ImageQuality:
        fitted = copy(self)
        fitted._state = state
        return fitted

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        limits = self.fit(cohort, facts) if self._state is None else self._state
        problems = []
        for view in cohort.views:
            seen = [(case.key, facts[case.key][view]) for case in cohort if view in (facts.get(case.key) or {})]
            for name, measure in _MEASURES.items():
                limit = limits.get(view, {}).get(name)
                if limit is not None:
                    over = {key: fact[name] for key, fact in seen if (fact.get(name) or 0) > limit}
                    problems += self._told(view, measure, over, limit)
            problems += _spoilt(view, seen)
        return problems

    def _told(self, view: str, measure: _Measure, over: Mapping[str, float], limit: float) -> list[Problem]:
        if not over:
            return []
        worst = measure.shown.format(max(over.values()))
        who = f"{len(over)} images are" if len(over) > 1 else "1 image is"
        others = "the others" if self._state is None else "any the model learnt from"
        return [
            Problem(
                f"{who} {measure.says} {others}: {worst}",
                f"view {view}",
                f"at most {measure.shown.format(limit)}",
                measure.remedy,
                measure.code,
                tuple(over),
                "warning" if self._state is None else "error",
            )
        ]


def _measured(image: Image) -> dict[str, Any]:
    """``{measure: number}``, None where it can't be taken, and how many slices are empty or repeat another."""
    array = image.array[:, 0] if image.has_time else image.array
    grey = np.asarray(array, dtype=np.float32).mean(axis=0) if array.shape[0] > 1 else np.asarray(array[0], np.float32)
    fact: dict[str, Any] = dict.fromkeys(_MEASURES)
    if not np.isfinite(grey).all() or grey.min() == grey.max():
        return fact | {"empty": 0, "repeated": 0}
    fact["dark"], fact["bright"] = (share + 1e-4 for share in shares_at_ends(grey))
    planes = planes_of(grey, image.spacing_mm)
    if min(planes.shape[1:]) >= 3:
        low, high = np.quantile(grey, [0.01, 0.99])
        sharp = sharpness(planes)
        fact["noise"] = noise_deviation(planes) / float(high - low) + 1e-6 if high > low else None
        fact["blur"] = float(np.exp(-sharp)) if np.isfinite(sharp) else None
    empty, repeated = spoilt_slices(grey) if grey.ndim == 3 else (0, 0)
    return fact | {"empty": empty, "repeated": repeated}


def _spoilt(view: str, seen: list[tuple[str, Any]]) -> list[Problem]:
    problems = []
    for name, says, code in (
        ("empty", "hold nothing between slices that do", "slices_empty"),
        ("repeated", "repeat the one before", "slices_repeated"),
    ):
        found = {key: fact[name] for key, fact in seen if fact[name]}
        if found:
            who = f"{len(found)} volumes have" if len(found) > 1 else "1 volume has"
            problems.append(
                Problem(
                    f"{who} slices that {says} ({max(found.values())} at most)",
                    f"view {view}",
                    "each slice a picture of its own",
                    "build the volume anew from the series; slices are missing or were filled in",
                    code,
                    tuple(found),
                )
            )
    return problems
