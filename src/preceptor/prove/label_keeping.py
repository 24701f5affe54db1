"""Whether made images still show what their labels say, judged by a model that has learnt from real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Finding, Predictions, Verdict
from preceptor.maths.overlap import dice
from preceptor.maths.unpaired import Difference, unpaired_difference

from .measuring import Measuring
from .overlaps import measure_overlap

#: The verdict's name.
GATE = "keeps_labels"


@dataclass(frozen=True)
class Kept:
    """One class, in made images and in real ones.

    Args:
        name: Of the class.
        measure: What is measured of it: its Dice, or the share of its cases that are found.
        made, real: The figures with their intervals; None of `made` where no made image says that it shows the class.
        difference: Made minus real with its interval, or None where either has none.
        reason: Why it is not kept, or can't be told; empty where it is kept.
    """

    name: str
    measure: str
    made: Finding
    real: Finding
    difference: Difference | None
    reason: str


@dataclass(frozen=True)
class LabelKeeping:
    """What was found.

    Args:
        verdict: Whether made images may be trained on with their labels, and why.
        classes: One by one.
    """

    verdict: Verdict
    classes: tuple[Kept, ...]


def keeps_labels(
    made: Predictions,
    real: Predictions,
    *,
    margin: float = 0.05,
    least: float = 0.6,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> LabelKeeping:
    """Judge made images by a model trained on real ones: does it find their labels as well as those of real images?

    Every class is judged by itself: of a segmentation by its Dice, of a classification by the share of its cases that are
    called so, of labels that do not exclude each other by the shares with and without each. It is kept if made images lie
    no more than `margin` below held-out real ones, at the lower end of the difference's interval: few images that happen
    to come out well prove nothing. A model that does not find a class in real images can't tell.

    What this can't see: images whose labels are right and which are no use (all alike, or the real ones once more), and
    what the judge itself is blind to.

    Args:
        made: The model's answers for made images, whose truth is what they were made to show.
        real: Its answers for real images of patients that neither it nor the generator has seen.
        margin: The largest loss that does not matter.
        least: What the model must reach with real images to be a judge at all.
        level: Of the intervals.
        resamples: Of patients, for the intervals.
        seed: Of the resamples.

    Raises:
        RecipeError: The question has no classes that could be looked for.
        CohortError: The two were asked different questions, or a made image has a parent among the held-out patients.

    Source: Non-inferiority by the interval of a difference (Piaggio 2012, CONSORT extension, JAMA 308:2594); the judge
        trained on real images is the classification accuracy score the other way round (Ravuri & Vinyals 2019,
        arXiv:1905.10887).
    """
    _refuse_misfits(made, real)
    figures = [_by_class(each, resamples, level, seed) for each in (made, real)]
    classes = tuple(
        _kept(name, measure, figures[0][name][1], finding, margin, least)
        for name, (measure, finding) in figures[1].items()
        if figures[0][name][1].cases
    )
    lost = [f"{each.name}: {each.reason}" for each in classes if each.reason]
    if not classes:
        return LabelKeeping(Verdict(GATE, False, "no made image has a label to look for"), ())
    if lost:
        return LabelKeeping(Verdict(GATE, False, "labels are not shown to be kept: " + "; ".join(lost)), classes)
    told = ", ".join(f"{each.name} {each.made.value:.3f} (real {each.real.value:.3f})" for each in classes)
    sentence = f"labels are kept: {classes[0].measure} of {told}, none more than {margin:g} below real images"
    return LabelKeeping(Verdict(GATE, True, sentence), classes)


def _kept(name: str, measure: str, made: Finding, real: Finding, margin: float, least: float) -> Kept:
    difference = None
    if made.interval is not None and real.interval is not None:
        difference = unpaired_difference(made.value, made.interval, real.value, real.interval)
    return Kept(name, measure, made, real, difference, _reason(measure, made, real, difference, margin, least))


def _reason(
    measure: str, made: Finding, real: Finding, difference: Difference | None, margin: float, least: float
) -> str:
    """Why a class is not kept; empty where it is."""
    if not real.cases:
        return "no held-out real image shows it, so there is nothing to compare with"
    if real.value < least:
        return f"the judge finds it in real images with a {measure} of {real.value:.3f}, and {least:g} is asked of it"
    if difference is None:
        return "too few patients for an interval"
    told = (
        f"{measure} {made.value:.3f} against {real.value:.3f} in real images "
        f"({difference.value:+.3f}, {difference.lower:+.3f} to {difference.upper:+.3f})"
    )
    if difference.upper < -margin:
        return f"{told}: lost"
    if difference.lower < -margin:
        return f"{told}: too few images to rule out a loss of more than {margin:g}"
    return ""


def _by_class(predictions: Predictions, resamples: int, level: float, seed: int) -> dict[str, tuple[str, Finding]]:
    """``{class: (measure, finding)}``."""
    measuring = Measuring.of(predictions, resamples, level, seed)
    question = predictions.question
    if question.dense:
        whole = measure_overlap("dice", "twice the shared voxels over those of both", dice, measuring, "exclude")
        return {name: ("Dice", whole.parts.get(name, whole)) for name in question.classes[1:]}
    truth = predictions.truth_matrix()
    if question.exclusive:
        said = predictions.answer_index()
        sides = {name: (truth[:, at] == 1, said == at) for at, name in enumerate(question.classes)}
    else:
        found = predictions.probabilities() >= 0.5
        sides = {name: (truth[:, at] == 1, found[:, at]) for at, name in enumerate(question.classes)}
        sides |= {f"no {name}": (truth[:, at] == 0, ~found[:, at]) for at, name in enumerate(question.classes)}
    return {
        name: (
            "share found",
            measuring.mean(
                f"found.{name}", f"share of {name} that is called so", np.where(of, hit, np.nan), share=True
            ),
        )
        for name, (of, hit) in sides.items()
    }


def _refuse_misfits(made: Predictions, real: Predictions) -> None:
    if made.question != real.question:
        raise CohortError(
            "made and real images were asked different questions",
            expected="the answers of one model",
            remedy="predict both with the same bundle",
            code="questions_differ",
        )
    if made.question.is_regression or made.question.task == "instances":
        raise RecipeError(
            f"labels of {made.question.task} can't be looked for class by class",
            where=GATE,
            expected="a classification or a segmentation",
            code="label_keeping_task",
        )
    both = set(made.table["cluster"].astype(str)) & set(real.table["cluster"].astype(str))
    if both:
        raise CohortError(
            f"{len(both)} of the held-out patients have made images too",
            expected="made images of training cases, or of nobody",
            remedy="leave what was made of held-out cases out, or name other real ones",
            code="made_of_held_out",
        )
