"""Phantoms whose lesion says how soon the event comes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from preceptor.maths.phantoms import Lesion
from preceptor.maths.survival_phantoms import censoring_until, draw_follow_up

from .phantom_plan import Plan

#: Standard deviations beyond which a lesion is drawn anew: it must find room in the body.
_FURTHEST = 2.5
#: How far from the centre a lesion lies, in relative coordinates.
_REACH = 0.4


def telling_lesion(plan: Plan, rng: np.random.Generator) -> tuple[float, Lesion]:
    """A lesion whose volume is log-normal, and how far it lies from the middle, in standard deviations.

    With ``x ~ N(0, 1)``, cut off at 2.5, and the plan's shortest and longest half axis a and b, the mean half axis is
    ``sqrt(a b) * (b / a) ** (x / 4)``: a at -2, b at +2. In the plane two half axes are stretched and shrunk by the same
    factor, which leaves the area as it is.
    """
    standard = rng.normal()
    while abs(standard) > _FURTHEST:
        standard = rng.normal()
    shortest, longest = plan.radius_mm
    radius = math.sqrt(shortest * longest) * (longest / shortest) ** (standard / 4)
    stretch = math.exp(rng.uniform(-0.15, 0.15))
    radii = (radius * stretch, radius / stretch, radius)[: len(plan.size)]
    centre = rng.uniform(-_REACH, _REACH, len(plan.size)) * np.asarray(plan.extent_mm) / 2
    return standard, Lesion(tuple(map(float, centre)), radii, plan.lesion_contrast)


def log_hazard_of(plan: Plan, standard: float, age: int) -> float:
    """``lesion_effect * x + age_effect * (age - 55) / 20``, x being that of `telling_lesion`."""
    return plan.lesion_effect * standard + plan.age_effect * (age - 55) / 20


def follow_ups(plan: Plan, log_hazard: Sequence[float], stream: int) -> list[tuple[float, int]]:
    """Time and event (1 or 0) of every patient.

    The hazard is constant, ``ln 2 / median_time * exp(log hazard)``, so that a patient of average risk has the event by
    `median_time` in one of two cases. Patients are lost from sight at a time uniform over 0 to c, with c such that the
    plan's `censored` share is expected to be lost before the event.

    Args:
        plan: The study's.
        log_hazard: Of each patient.
        stream: Of random numbers.
    """
    hazard = math.log(2) / plan.median_time * np.exp(np.asarray(log_hazard, dtype=float))
    until = censoring_until(hazard, plan.censored)
    found = []
    for patient, each in enumerate(hazard):
        time, event = draw_follow_up(plan.rng(stream, patient), np.array([each]), until)
        found.append((round(float(time[0]), 4), int(event[0])))
    return found
