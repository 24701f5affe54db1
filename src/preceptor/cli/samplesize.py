"""``preceptor samplesize auroc|proportion|sensitivity|specificity|mean|mcnemar|aurocs``"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from . import console

samplesize = App(name="samplesize", help="How many patients a study needs.", help_format="plaintext")


@Parameter(name="*")
@dataclass(frozen=True)
class Patients:
    """How many images of each patient there are and how alike they are, for any question, and how it is answered."""

    images_per_patient: Annotated[float, Parameter(help="Images of each patient, on average.")] = 1
    correlation: Annotated[float, Parameter(help="Correlation of a patient's images (intraclass), 0 to 1.")] = 0.0
    as_json: console.Json = False


_ONE_IMAGE = Patients()


@samplesize.command
def auroc(
    *,
    expected: float,
    width: float,
    prevalence: float,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients that bring the interval of an AUROC down to a width.

    Parameters
    ----------
    expected
        AUROC that is expected.
    width
        Of the whole interval, from its lower to its upper end.
    prevalence
        Share of positive cases.
    level
        Of the interval.
    """
    from preceptor.maths.sample_size import cases_for_auroc

    told = (
        f"an AUROC of {expected:g} with a {level:.0%} interval {width:g} wide, {prevalence:.0%} of cases being positive"
    )
    _answer(lambda: cases_for_auroc(expected, width / 2, prevalence, level), told, patients)


@samplesize.command
def proportion(
    *,
    expected: float,
    width: float,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients that bring the interval of a share (accuracy, say) down to a width.

    Parameters
    ----------
    expected
        Share that is expected, 0 to 1.
    width
        Of the whole interval (Wilson), from its lower to its upper end.
    level
        Of the interval.
    """
    from preceptor.maths.sample_size import cases_for_proportion

    told = f"a share of {expected:g} with a {level:.0%} interval {width:g} wide"
    _answer(lambda: cases_for_proportion(expected, width / 2, level), told, patients)


@samplesize.command
def sensitivity(
    *,
    expected: float,
    width: float,
    prevalence: float,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients of a cohort with that prevalence that hold enough diseased ones for the interval of a sensitivity.

    Parameters
    ----------
    expected
        Sensitivity that is expected.
    width
        Of the whole interval, from its lower to its upper end.
    prevalence
        Share of diseased cases.
    level
        Of the interval.
    """
    _of_those(expected, width, prevalence, level, patients, "sensitivity")


@samplesize.command
def specificity(
    *,
    expected: float,
    width: float,
    prevalence: float,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients of a cohort with that prevalence that hold enough healthy ones for the interval of a specificity.

    Parameters
    ----------
    expected
        Specificity that is expected.
    width
        Of the whole interval, from its lower to its upper end.
    prevalence
        Share of diseased cases.
    level
        Of the interval.
    """
    _of_those(expected, width, 1 - prevalence, level, patients, "specificity")


@samplesize.command
def mean(
    *,
    difference: float,
    deviation: float,
    margin: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients to see that a mean case by case (Dice, say) differs between two models, or is no worse by a margin.

    Parameters
    ----------
    difference
        Expected, first model less second.
    deviation
        Standard deviation of the differences case by case.
    margin
        0 asks whether they differ; else how much worse would still do.
    power
        Chance to see it.
    level
        Of the two-sided interval.
    """
    from preceptor.maths.sample_size import pairs_for_mean

    told = _to_see(f"a mean difference of {difference:g} (standard deviation {deviation:g})", margin, power)
    _answer(
        lambda: pairs_for_mean(difference, deviation, margin=margin, power=power, level=level),
        told,
        patients,
    )


@samplesize.command
def mcnemar(
    *,
    first_only: float,
    second_only: float,
    power: float = 0.8,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients to see that one of two models, or a model and a reader, is right more often on the same cases.

    Parameters
    ----------
    first_only
        Expected share of cases that only the first has right.
    second_only
        Expected share of cases that only the second has right.
    power
        Chance to see it.
    level
        Of the two-sided test.
    """
    from preceptor.maths.sample_size import pairs_for_mcnemar

    told = _to_see(
        f"that only one is right in {first_only:.0%} and only the other in {second_only:.0%} of cases", 0, power
    )
    _answer(lambda: pairs_for_mcnemar(first_only, second_only, power, level), told, patients)


@samplesize.command
def aurocs(
    *,
    first: float,
    second: float,
    prevalence: float,
    between: float = 0.5,
    margin: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
    patients: Patients = _ONE_IMAGE,
) -> None:
    """Patients to see that two AUROCs on the same cases differ, or that the first is no worse by a margin.

    Parameters
    ----------
    first
        AUROC expected of the first model.
    second
        AUROC expected of the second.
    prevalence
        Share of positive cases.
    between
        Correlation of the two estimates; 0.5 or more for models that read the same images.
    margin
        0 asks whether they differ; else how much worse would still do.
    power
        Chance to see it.
    level
        Of the two-sided test.
    """
    from preceptor.maths.sample_size import cases_for_paired_auroc

    told = _to_see(f"AUROCs of {first:g} and {second:g}, {prevalence:.0%} of cases being positive,", margin, power)
    _answer(
        lambda: cases_for_paired_auroc(first, second, prevalence, between, margin=margin, power=power, level=level),
        told,
        patients,
    )


def _of_those(expected: float, width: float, share: float, level: float, patients: Patients, name: str) -> None:
    from preceptor.maths.sample_size import cases_for_sensitivity

    told = f"a {name} of {expected:g} with a {level:.0%} interval {width:g} wide, measured on {share:.0%} of cases"
    _answer(lambda: cases_for_sensitivity(expected, width / 2, share, level), told, patients)


def _to_see(what: str, margin: float, power: float) -> str:
    told = f"being no worse by {margin:g} with {what}" if margin else what
    return f"{told} seen with a chance of {power:.0%}"


def _answer(needed: Callable[[], int], told: str, asked: Patients) -> None:
    from preceptor.core.errors import RecipeError
    from preceptor.maths.sample_size import design_effect, patients

    try:
        cases = needed()
        people = patients(cases, asked.images_per_patient, asked.correlation)
        effect = design_effect(asked.images_per_patient, asked.correlation)
    except (ValueError, ZeroDivisionError) as error:
        raise RecipeError(
            f"no number of patients answers that: {error}",
            expected="shares between 0 and 1, a width above 0, and a difference to see",
            code="sample_size",
        ) from error
    text = f"{people} patients: {told}"
    if asked.images_per_patient > 1:
        text += f"\n  {cases} independent images would do; images of one patient are alike (design effect {effect:.2f})"
    record = {"patients": people, "independent_cases": cases, "design_effect": effect, "question": told}
    console.result(text, record, asked.as_json)
