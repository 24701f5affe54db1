"""The trained model on test images of which a part was replaced: what is left of its performance, and what is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from preceptor.maths.intervals import Resamples, bootstrap, paired_difference

from .areas import RESAMPLES, above_nought, against_shuffled, area_with_interval, codes_of, interval_of, mean_area, told
from .fields import FAR
from .material import Asked, Shown
from .regions import regions
from .suspicion import Trial

#: What an altered image must cost in AUROC to matter.
COST = 0.05

#: Parts that hold no anatomy worth an answer, with what they are called.
PARTS = {"corners": "the corners", "border": "the border", "background": "the background"}


class Fill:
    """What stands where pixels were taken out: the mean image of the cases, so that only what differs is gone.

    Where cases of a view differ in shape there is no mean image, and the mean of the image itself stands there.

    Args:
        shown: The cases.
    """

    def __init__(self, shown: Shown) -> None:
        sums: dict[str, np.ndarray] = {}
        counts: dict[str, int] = {}
        shapes: dict[str, set[tuple[int, ...]]] = {}
        for at in range(len(shown)):
            for view, image in shown.images(at).items():
                shapes.setdefault(view, set()).add(image.shape)
                if len(shapes[view]) == 1:
                    sums[view] = sums.get(view, 0.0) + image.astype(np.float64)
                    counts[view] = counts.get(view, 0) + 1
        self.means = {
            view: (total / counts[view]).astype(np.float32) for view, total in sums.items() if len(shapes[view]) == 1
        }

    def __call__(self, view: str, image: np.ndarray, gone: np.ndarray) -> np.ndarray:
        """The image with its pixels replaced where `gone` is true.

        Args:
            view: Of the image.
            image: ``(channel, *space)``.
            gone: ``(*space,)`` bool.
        """
        mean = self.means.get(view)
        return np.where(gone, image.mean() if mean is None else mean, image).astype(np.float32)


def answers(shown: Shown, change: Callable[[str, np.ndarray], np.ndarray]) -> np.ndarray:
    """``(case, class)`` what the model answers to every case, each view changed.

    Args:
        shown: The cases.
        change: ``(view, image) -> image``.
    """
    changed = [{view: change(view, image) for view, image in shown.images(at).items()} for at in range(len(shown))]
    return shown.ask(range(len(shown)), changed)


def alterations(shown: Shown, fill: Fill) -> Mapping[str, Callable[[str, np.ndarray], np.ndarray]]:
    """Every change of the pixels that the audit asks the model about, by name."""

    def without(part: str) -> Callable[[str, np.ndarray], np.ndarray]:
        return lambda view, image: fill(view, image, regions(image.shape[1:])[part])

    def only(part: str) -> Callable[[str, np.ndarray], np.ndarray]:
        return lambda view, image: fill(view, image, ~regions(image.shape[1:])[part])

    named = {f"without {part}": without(part) for part in PARTS}
    named |= {f"only {part}": only(part) for part in PARTS}
    named["low-pass"] = lambda view, image: gaussian_filter(image, [0, *(size / 12 for size in image.shape[1:])])
    named["as it is"] = lambda view, image: image
    return named


def altered_trials(
    shown: Shown, asked: Asked, changed: Mapping[str, np.ndarray], clusters: np.ndarray, seed: int
) -> list[Trial]:
    """What is left on a part alone, and what is lost without it.

    Args:
        shown: The cases.
        asked: The question.
        changed: ``{alteration: (case, class)}`` answers.
        clusters: ``(row,)`` integer id of each row's patient.
        seed: Of the shuffles.
    """
    truth = asked.truth[shown.row]
    keep = truth >= 0
    codes, who, fits = truth[keep], clusters[shown.row][keep], codes_of(shown.fit[keep])
    if len(np.unique(codes)) < 2:
        return []
    scores = {name: asked.of(each)[keep] for name, each in changed.items()}
    prefix = f"{asked.name}: " if asked.name else ""
    suffix = f".{asked.name}" if asked.name else ""
    cases, patients = len(codes), len(np.unique(who))
    resamples = Resamples.of(who, RESAMPLES)
    whole = bootstrap(mean_area(codes, scores["as it is"], fits, resamples), resamples, accelerated=False)
    trials = []
    for part, called in PARTS.items():
        value, p = against_shuffled(codes, scores[f"only {part}"], fits, who, seed)
        interval = area_with_interval(codes, scores[f"only {part}"], fits, who)[1]
        trials.append(
            Trial(
                f"only.{part}{suffix}",
                part,
                f"Does the model still rank cases where {called} alone are their own and the rest is the mean image?",
                f"{prefix}With nothing of a case but {called} the model ranks cases by AUROC {told(value, interval)}.",
                value,
                interval,
                0.5,
                p,
                value - 0.5 >= FAR,
                cases,
                patients,
                {"whole images": whole.value},
            )
        )
        less = bootstrap(mean_area(codes, scores[f"without {part}"], fits, resamples), resamples, accelerated=False)
        lost = paired_difference(whole, less)
        # Taking out the border or the background takes anatomy with it: that informs, and accuses nothing.
        accuses = part == "corners"
        trials.append(
            Trial(
                f"without.{part}{suffix}",
                part,
                f"Does the model do worse where {called} are those of the mean image?",
                f"{prefix}Without {called} the AUROC falls by {told(lost.value, interval_of(lost))}.",
                lost.value,
                interval_of(lost),
                0.0,
                above_nought(lost) if accuses else float("nan"),
                lost.value >= COST,
                cases,
                patients,
                {"whole images": whole.value, f"without {part}": less.value},
            )
        )
    coarse = bootstrap(mean_area(codes, scores["low-pass"], fits, resamples), resamples, accelerated=False)
    trials.append(
        Trial(
            f"only.low-pass{suffix}",
            "low-pass",
            "What is left when images are blurred to a twelfth of their size?",
            f"{prefix}On blurred images the AUROC is {told(coarse.value, interval_of(coarse))}, "
            f"on sharp ones {whole.value:.2f}.",
            coarse.value,
            interval_of(coarse),
            0.5,
            cases=cases,
            clusters=patients,
            evidence={"whole images": whole.value},
        )
    )
    return trials
