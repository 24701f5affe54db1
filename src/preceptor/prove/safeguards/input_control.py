"""Input control: an image that the model was not made for is refused before anyone reads an answer to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.maths.reference import fit_reference, is_blank, limits, score

_WHAT = {
    "layout": "its coarse layout is unlike any",
    "arrangement": "what lies where in it is unlike any",
    "values": "its distribution of bright and dark is unlike any",
    "detail": "its detail (noise, sharpness) is unlike any",
}


class InputControl:
    """Refuses images unlike those the model learnt from, and says why in plain words.

    Looks at every view of the prepared image: blank; channels and axes of space; modality, where the files name it;
    spacing and extent, against the range of the training cases; and the coarse appearance in four aspects, whose
    distances are fitted on the training cases and whose limits on held-out ones. Leaves the largest distance, as a share
    of its limit, as ``appearance`` in `parts`: above 1 is refused.

    It tells another body part, projection or kind of image. It sees no small change, and an accepted image is no
    promise that the answer is right.

    Args:
        refused_share: Of images of the right kind that may be refused for their appearance. Promised where there are
            1 / refused_share held-out cases, estimated where there are fewer.
        reach: By how much extent and spacing may lie outside the training cases' range, as a factor.
        appearance: Whether the coarse appearance is looked at.

    Raises:
        Refusal: At the fit, where there are no training samples or no held-out ones.

    Source: own; the threshold is that of inductive conformal anomaly detection (Laxhammar & Falkman 2015).

    Example:
        >>> InputControl(refused_share=0.02).refused_share
        0.02
    """

    fit_role = "calibrate"

    def __init__(
        self,
        refused_share: Annotated[float, Gt(0), Lt(1)] = 0.01,
        reach: Annotated[float, Ge(1)] = 1.5,
        appearance: bool = True,
    ) -> None:
        self.refused_share = refused_share
        self.reach = reach
        self.appearance = appearance
        self.state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> InputControl:
        return cls()

    def suits(self, question: Question) -> bool:
        return True

    def fit(self, predictions: Predictions, samples: Callable[..., Iterator[Sample]]) -> dict[str, Any]:
        """What training images look like, and how far held-out ones lie from that.

        Args:
            predictions: Of the calibration cases; only their keys are read.
            samples: ``samples(role)`` streams the prepared cases of a role, "train" by default.
        """
        views = {view for sample in samples() for view in sample.images}
        return {"views": {view: self._fit_view(view, samples) for view in sorted(views)}}

    def _fit_view(self, view: str, samples: Callable[..., Iterator[Sample]]) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        spacings, extents = [], []
        for image in _of_view(view, samples()):
            facts.setdefault("modalities", set()).add(image.meta.get("modality"))
            spacings.append(image.spacing_mm)
            extents.append(_extent(image))
            facts |= {"channels": image.channels, "space_dims": image.space_dims}
        state = {
            "channels": facts["channels"],
            "space_dims": facts["space_dims"],
            "modalities": sorted(each for each in facts["modalities"] if each),
            "spacing_mm": [np.min(spacings, 0).tolist(), np.max(spacings, 0).tolist()],
            "extent_mm": [np.min(extents, 0).tolist(), np.max(extents, 0).tolist()],
        }
        if not self.appearance:
            return state
        reference = fit_reference(each.array for each in _of_view(view, samples()) if not is_blank(each.array))
        held_out = [
            score(reference, each.array)
            for each in _of_view(view, samples(self.fit_role))
            if not is_blank(each.array) and each.channels == state["channels"]
        ]
        if not held_out:
            raise Refusal(
                f"no held-out case has the view '{view}': nothing says how far is too far from the training cases",
                where="safeguards.input_control",
                expected=f"cases with the role '{self.fit_role}' and this view",
                remedy="give `split` a larger calibrate share, or set appearance: false",
                code="calibrate_without_view",
            )
        return state | {"reference": reference, "limits": limits(held_out, self.refused_share)}

    def with_state(self, state: Mapping[str, Any]) -> InputControl:
        fitted = InputControl(self.refused_share, self.reach, self.appearance)
        fitted.state = state
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        sample, views = prediction.sample, self.state.get("views", {})
        if sample is None or not views:
            return prediction
        distances: list[float] = []
        for view, image in sample.images.items():
            if view not in views:
                prediction.refuse(f"the model knows no view '{view}', only {', '.join(views)}")
                continue
            for reason in self._reasons(view, image, views[view], distances):
                prediction.refuse(reason)
        if distances:
            prediction.parts["appearance"] = max(distances)
        return prediction

    def _reasons(self, view: str, image: Image, state: Mapping[str, Any], distances: list[float]) -> Iterator[str]:
        if is_blank(image.array):
            yield f"{view} is blank: it has one value everywhere"
            return
        if (image.channels, image.space_dims) != (state["channels"], state["space_dims"]):
            yield (
                f"{view} has {image.channels} channels and {image.space_dims} axes of space, and the model learnt from "
                f"{state['channels']} and {state['space_dims']}"
            )
            return
        modality = image.meta.get("modality")
        if modality and state["modalities"] and modality not in state["modalities"]:
            yield f"{view} is {modality}, and the model learnt from {' or '.join(state['modalities'])}"
        yield from self._out_of_range(f"the voxels of {view} measure", image.spacing_mm, state["spacing_mm"])
        yield from self._out_of_range(f"{view} covers", _extent(image), state["extent_mm"])
        if self.appearance and "reference" in state:
            found = score(state["reference"], image.array).shares(state["limits"])
            distances.append(max(found))
            for aspect, share in found._asdict().items():
                if share > 1:
                    yield f"{view}: {_WHAT[aspect]} the model learnt from ({share:.1f} times as far as is accepted)"

    def _out_of_range(self, what: str, found: tuple[float, ...], known: Any) -> Iterator[str]:
        lowest, highest = (np.asarray(each) for each in known)
        if (np.asarray(found) < lowest / self.reach).any() or (np.asarray(found) > highest * self.reach).any():
            shown = (" x ".join(f"{side:.3g}" for side in each) for each in (found, lowest, highest))
            yield "{} {} mm, and the model learnt from {} to {} mm".format(what, *shown)


def _of_view(view: str, samples: Iterator[Sample]) -> Iterator[Image]:
    return (sample.images[view] for sample in samples if view in sample.images)


def _extent(image: Image) -> tuple[float, ...]:
    return tuple(side * spacing for side, spacing in zip(image.shape, image.spacing_mm, strict=True))
