"""Quality of images that a model made: nearness to the true image, everywhere and in a region."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.image_quality import psnr, ssim
from preceptor.prove.maps import ImagePair, image_pairs, unlabelled
from preceptor.prove.measuring import Measuring, by_field, noted, refused


class ImageQuality:
    """Structural similarity (SSIM) to the true image, beside PSNR and the error inside and outside a region.

    Means over whole images hide small things: a lesion that vanished hardly moves them. Where the table names a mask
    (``region_path``), the error inside it counts apart; and see the evaluator `hallucination`.

    Args:
        data_range: Distance from the least to the greatest value that an image can have; None takes that of each true
            image. All values but the errors depend on it.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` of SSIM with the parts ``psnr`` (decibels), ``error`` (mean absolute, in the images' values), and,
        where regions are named, ``error_inside`` and ``error_outside``. Channels are averaged.

    Raises:
        CohortError: A stored answer is missing, or has other channels than the truth.

    Source: Wang 2004 (SSIM: Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03, borders left out).

    Example:
        >>> ImageQuality(data_range=255).suits(Question("translation", "mr", ("mr",), dense=True))
        True
    """

    def __init__(
        self,
        data_range: Annotated[float, Gt(0)] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.data_range = data_range
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> ImageQuality:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "translation"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        names = ("ssim", "psnr", "error", "error_inside", "error_outside")
        values = {name: np.full(len(predictions), np.nan) for name in names}
        equal = small = flat = resampled = 0
        for pair in image_pairs(predictions):
            found = self._of(pair)
            equal += found.get("psnr") == float("inf")
            flat += "psnr" not in found
            small += "ssim" in found and np.isnan(found["ssim"])
            resampled += pair.resampled
            for name, value in found.items():
                values[name][pair.row] = value if np.isfinite(value) else np.nan
        span = "each true image's own" if self.data_range is None else f"{self.data_range:g}"
        means = {
            "psnr": (f"peak signal-to-noise ratio, data range {span}", "dB", True),
            "error": ("mean absolute difference of the values", predictions.question.unit, False),
            "error_inside": ("mean absolute difference inside the named region", predictions.question.unit, False),
            "error_outside": ("mean absolute difference outside the named region", predictions.question.unit, False),
        }
        parts = {
            name: measuring.mean(
                f"image_quality.{name}", f"{words}; the mean over images", values[name], unit=unit, higher_is_better=up
            )
            for name, (words, unit, up) in means.items()
            if not name.startswith("error_") or not np.isnan(values[name]).all()
        }
        return measuring.mean(
            "image_quality",
            f"structural similarity under a Gaussian window of 1.5 pixels, data range {span}; the mean over images",
            values["ssim"],
            parts=parts,
            notes=(
                *noted(equal, "image{s} equal to the truth, whose infinite PSNR does not enter"),
                *noted(flat, "true image{s} of one value only, without a data range, measured by the error alone"),
                *noted(small, "image{s} smaller than the window, without SSIM"),
                *noted(unlabelled(predictions), "case{s} without a truth, not measured"),
                *noted(resampled, "answer{s} brought to the truth's grid by linear interpolation"),
                *refused(predictions),
            ),
        )

    def _of(self, pair: ImagePair) -> dict[str, float]:
        truth, answer = pair.truth.astype(np.float64), pair.answer.astype(np.float64)
        # A picture that was stored as a volume of one slice is a picture.
        flat = [axis for axis in range(1, truth.ndim) if truth.shape[axis] == 1] if truth.ndim > 3 else []
        truth, answer = truth.squeeze(tuple(flat)), answer.squeeze(tuple(flat))
        distance = np.abs(answer - truth).mean(0)
        found = {"error": float(distance.mean())}
        span = self.data_range or float(np.ptp(truth))
        if span > 0:
            found["ssim"] = float(np.mean([ssim(t, a, span) for t, a in zip(truth, answer, strict=True)]))
            found["psnr"] = psnr(truth, answer, span)
        if pair.region is not None:
            region = pair.region.reshape(distance.shape)
            if region.any():
                found["error_inside"] = float(distance[region].mean())
            if not region.all():
                found["error_outside"] = float(distance[~region].mean())
        return found
