"""Images unlike the rest of the cohort: another body part, projection or modality that no tag tells."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task
from preceptor.maths.reference import Distance, appearance, fit_features, is_blank, limits, score_features

#: Fewer people say too little of what is usual.
_ENOUGH = 40

#: Parts the people are dealt into: each is looked at with a reference of the others.
_PARTS = 5

#: What this share of the images shows is usual, however the others spread.
_USUAL = 0.05

#: Named only where this much farther than the limit: the least of the odd ones are often merely the last of the usual.
_MARGIN = 1.35

_WHAT = {
    "layout": "in their coarse layout",
    "arrangement": "in what lies where",
    "values": "in how bright and dark they are",
    "detail": "in their detail (noise, sharpness)",
}


class OutlyingImages:
    """Images whose coarse appearance is unlike that of the others, each judged by a reference of other people's.

    A look at the cohort alone: at a prediction the safeguard `input_control` asks the same of the prepared image, with
    limits from held-out cases. It names what a person should look at; a cohort of two kinds of image (two stains, two
    projections) is told by none of them, since neither is unlike the rest.

    Args:
        refused_share: Of images of the same kind that may be named.

    Raises: nothing; it returns `Problem` records, all of them a ``warning``.

    Source: `preceptor.maths.reference`; cross-fitted as in Barber et al. 2021 ("Predictive inference with the
        jackknife+"), by patient.

    Example:
        >>> from pathlib import Path
        >>> OutlyingImages()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, refused_share: Annotated[float, Gt(0), Lt(0.5)] = 0.002) -> None:
        self.refused_share = refused_share

    @classmethod
    def example(cls) -> OutlyingImages:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        seen = {}
        for view, image in sample.images.items():
            array = image.array[:, 0] if image.has_time else image.array
            if not is_blank(array):
                features = appearance(array).astype(np.float16)
                seen[view] = {
                    "kind": [array.shape[0], array.ndim - 1],
                    "features": base64.b64encode(features.tobytes()).decode("ascii"),
                }
        return seen

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        problems = []
        for view in cohort.views:
            kinds = defaultdict(list)
            for case in cohort:
                fact = (facts.get(case.key) or {}).get(view)
                if fact:
                    kinds[tuple(fact["kind"])].append((case, _unpacked(fact["features"])))
            for (channels, axes), seen in kinds.items():
                problems += self._outlying(view, seen, channels, axes)
        return problems

    def _outlying(self, view: str, seen: Sequence[tuple[Case, np.ndarray]], channels: int, axes: int) -> list[Problem]:
        names = sorted({case.cluster for case, _ in seen})
        if len(names) < _ENOUGH:
            return []
        dealt = dict(zip(np.random.default_rng(0).permutation(names), np.arange(len(names)) % _PARTS, strict=True))
        part = np.array([dealt[case.cluster] for case, _ in seen])
        features = np.stack([each for _, each in seen])
        distances: list[Distance] = [Distance(0, 0, 0, 0)] * len(seen)
        for number in range(_PARTS):
            reference = fit_features(features[part != number], channels, axes)
            for place in np.flatnonzero(part == number):
                distances[place] = score_features(reference, features[place])
        far = limits(distances, self.refused_share)
        usual = float(np.quantile([max(each.shares(far)) for each in distances], 1 - _USUAL))
        far = tuple(max(1.0, usual) * each for each in far)
        problems = []
        told: set[str] = set()
        for aspect, says in _WHAT.items():
            shares = [getattr(each.shares(far), aspect) for each in distances]
            keys = [case.key for (case, _), share in zip(seen, shares, strict=True) if share > _MARGIN]
            new = [key for key in keys if key not in told]
            told.update(new)
            if new:
                who = f"{len(new)} images of {view} are" if len(new) > 1 else f"1 image of {view} is"
                problems.append(
                    Problem(
                        f"{who} unlike the others {says}: {max(shares):.1f} times as far from them as is usual",
                        f"view {view}",
                        "images of one kind in a view",
                        "look at them: another body part, projection or scanner? Exclude what is not meant",
                        "image_outlying",
                        tuple(new),
                        "warning",
                    )
                )
        return problems


def _unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float16).astype(np.float64)
