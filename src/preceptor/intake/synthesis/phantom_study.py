"""A phantom study on disk: patients, visits, sites, labels and truth, made once and found again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.files import write_aside
from preceptor.maths.phantom_scanner import Scanner
from preceptor.maths.phantoms import Anatomy, Lesion, Pose, body, chest, draw_lesions, plant, structures

from .phantom_files import write_image, write_mask
from .phantom_plan import Plan
from .phantom_survival import follow_ups, log_hazard_of, telling_lesion

#: Streams of random numbers: each decision has its own, so that one dial leaves the others' draws alone.
_PERSON, _DAY, _GRAIN, _SCANNER, _LABELS, _LESIONS, _VIEWS, _FOLLOW_UP = range(8)


@dataclass(frozen=True)
class _Patient:
    """Who comes to be imaged, and what there is to be found."""

    number: int
    site: int
    sex: str
    age: int
    labels: Mapping[str, Any]
    lesions: tuple[Lesion, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"p{self.number:04}"


def make_study(plan: Plan, folder: Path, name: str = "phantoms") -> Cohort:
    """Make the study, or find it made. A study that was broken off goes on where it stopped.

    Args:
        plan: What it holds.
        folder: Where studies lie; this one gets a folder named by its task and its settings.
        name: Of the cohort.

    Returns:
        The cohort, whose `root` is the study's folder. The same plan makes the same bytes.
    """
    root = Path(folder) / f"{plan.task}-{plan.digest}"
    table = root / "cohort.csv"
    if not table.exists():
        root.mkdir(parents=True, exist_ok=True)
        made = Cohort(tuple(_make_cases(plan, root)), root)
        with write_aside(table) as aside:
            made.table().to_csv(aside, index=False)
    note = "phantoms: drawn by preceptor; nobody was imaged, and nothing follows from them for patients"
    return replace(Cohort.read(table, root), name=name, notes=(note,))


def _make_cases(plan: Plan, root: Path) -> Iterator[Case]:
    scanners = [Scanner.draw(plan.rng(_SCANNER, site), plan.site_effect) for site in range(len(plan.sites))]
    for patient in _patients(plan):
        before = patient.number * plan.visits_per_patient
        for visit in range(min(plan.visits_per_patient, plan.visits - before)):
            yield _make_case(plan, root, patient, visit, scanners[patient.site])


def _patients(plan: Plan) -> list[_Patient]:
    number = math.ceil(plan.visits / plan.visits_per_patient)
    sites = plan.rng(_PERSON).permutation(np.arange(number) % len(plan.sites))
    classes = _deal_classes(plan, sites)
    patients = []
    for index in range(number):
        rng = plan.rng(_PERSON, index)
        sex, age = str(rng.choice(["F", "M"])), int(rng.integers(20, 90))
        labels, lesions = _findings(plan, index, int(classes[index]))
        patients.append(_Patient(index, int(sites[index]), sex, age, labels, lesions))
    return _followed(plan, patients) if plan.task == "survival" else patients


def _followed(plan: Plan, patients: list[_Patient]) -> list[_Patient]:
    """The patients, each with a lesion and the follow-up that it stands for."""
    lesions = [telling_lesion(plan, plan.rng(_LESIONS, patient.number)) for patient in patients]
    risks = [log_hazard_of(plan, each, patient.age) for patient, (each, _) in zip(patients, lesions, strict=True)]
    known = zip(patients, lesions, risks, follow_ups(plan, risks, _FOLLOW_UP), strict=True)
    return [
        replace(
            patient,
            labels={f"{plan.label}_time": time, f"{plan.label}_event": event},
            lesions=(lesion,),
            fields={"log_hazard": round(risk, 6)} if plan.truth else {},
        )
        for patient, (_, lesion), risk, (time, event) in known
    ]


def _deal_classes(plan: Plan, sites: np.ndarray) -> np.ndarray:
    """Class index of each patient: evenly within a site, but for the confounded share, which gets the site's own."""
    number = max(len(plan.classes), 1)
    classes = np.zeros(len(sites), dtype=int)
    for site in range(len(plan.sites)):
        members = plan.rng(_LABELS, site).permutation(np.flatnonzero(sites == site))
        own = round(plan.confounding * len(members))
        classes[members[:own]] = site % number
        classes[members[own:]] = (np.arange(len(members) - own) + site) % number
    return classes


def _findings(plan: Plan, patient: int, index: int) -> tuple[dict[str, Any], tuple[Lesion, ...]]:
    """Labels of one patient, and the lesions they stand for."""
    rng = plan.rng(_LESIONS, patient)

    def lesions(number: int) -> tuple[Lesion, ...]:
        return draw_lesions(rng, number, plan.extent_mm, plan.radius_mm, plan.lesion_contrast)

    if plan.task == "classification":
        return {plan.label: plan.classes[index]}, lesions(index)
    if plan.task == "multilabel":
        there = rng.random(len(plan.classes)) < 0.5
        placed = []
        for place in np.flatnonzero(there):
            turn = 2 * math.pi * place / len(plan.classes)
            at = np.zeros(len(plan.size))
            at[:2] = 0.45 * math.cos(turn), 0.45 * math.sin(turn)
            at = (at + rng.uniform(-0.06, 0.06, len(at))) * np.asarray(plan.extent_mm) / 2
            radii = rng.uniform(*plan.radius_mm, len(at))
            placed.append(Lesion(tuple(map(float, at)), tuple(map(float, radii)), plan.lesion_contrast))
        return {name: int(is_there) for name, is_there in zip(plan.classes, there, strict=True)}, tuple(placed)
    if plan.task == "regression":
        found = draw_lesions(
            rng, 1, plan.extent_mm, (0.5 * plan.radius_mm[0], 1.5 * plan.radius_mm[1]), plan.lesion_contrast
        )
        thousand = 1000 if len(plan.size) == 3 else 100
        return {plan.label: round(sum(each.size for each in found) / thousand, 4)}, found
    if plan.task == "lesion":
        return {}, lesions(1 + int(rng.integers(3)))
    return {}, ()


def _make_case(plan: Plan, root: Path, patient: _Patient, visit: int, scanner: Scanner) -> Case:
    key = f"{patient.name}-{visit + 1}"
    anatomy = Anatomy.draw(plan.rng(_PERSON, patient.number, 1))
    pose = _pose(plan, patient.number, visit)
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for view in _views_taken(plan, patient.number, visit):
        grey, truth = _picture(plan, anatomy, pose, patient.lesions, view)
        grain = plan.rng(_GRAIN, patient.number, visit, view)
        name = plan.views[view]
        source = f"images/{key}-{name}"
        about = {
            "patient": patient.name,
            "study": str(visit + 1),
            "series": name,
            "view": name,
            "site": plan.sites[patient.site],
            "sex": patient.sex,
            "age": patient.age,
        }
        images[name] = write_image(plan, root, source, partial(scanner.scan, grey, grain), about, patient.site)
        if truth is not None and not masks:
            called = plan.mask if plan.task in ("segmentation", "lesion") else "lesion"
            masks[called] = write_mask(plan, root, key, truth, patient.site)
    fields = {"site": plan.sites[patient.site], "sex": patient.sex, "age": patient.age, "visit": visit + 1}
    fields |= patient.fields
    return Case(key, images, patient.name, masks, patient.labels, fields)


def _pose(plan: Plan, patient: int, visit: int) -> Pose:
    """Nobody lies twice the same way: visits are turned and moved apart, so that no two look like one picture."""
    apart = visit - (plan.visits_per_patient - 1) / 2
    drawn = Pose.draw(plan.rng(_DAY, patient, visit), tilt_deg=(8 * apart - 2, 8 * apart + 2))
    return replace(drawn, shift=(drawn.shift[0] + 0.12 * apart, *drawn.shift[1:]))


def _views_taken(plan: Plan, patient: int, visit: int) -> list[int]:
    rng = plan.rng(_VIEWS, patient, visit)
    taken = rng.random(len(plan.views)) >= plan.missing_views
    if not taken.any():
        taken[rng.integers(len(taken))] = True
    return [int(view) for view in np.flatnonzero(taken)]


def _picture(
    plan: Plan, anatomy: Anatomy, pose: Pose, lesions: tuple[Lesion, ...], view: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey values in 0..1 before the scanner, and the truth where it is kept."""
    if plan.task == "segmentation":
        grey, index = structures(anatomy, plan.size, len(plan.labels), pose, view)
        return grey, np.array([0, *plan.labels.values()])[index]
    draw = chest if len(plan.size) == 2 and plan.task not in ("lesion", "survival") else body
    grey, mask = plant(draw(anatomy, plan.size, pose, view), lesions, plan.step_mm, pose)
    if plan.task == "lesion":
        return grey, mask * next(iter(plan.labels.values()))
    return grey, mask if plan.truth else None
