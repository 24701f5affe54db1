"""Phantoms: a study made on the spot, whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cached_property
from pathlib import Path, PurePath
from tempfile import mkdtemp
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, MinLen

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import RecipeError
from preceptor.intake.synthesis.phantom_plan import Plan
from preceptor.intake.synthesis.phantom_study import make_study


class Phantoms:
    """A phantom study: made on disk when it is first asked for, found again afterwards.

    Patients, several visits each, sites whose scanners differ, labels and masks that are true because they were put
    there. The study lies in a folder named by its task and a hash of these settings; broken off, it goes on where it
    stopped. The same settings make the same bytes.

    Args:
        root: Folder that `folder` is relative to.
        task: What there is to find. ``classification``: as many lesions as the place of the class in `classes`;
            ``multilabel``: a lesion in a place of its own for each label; ``regression``: the lesion's volume (cm³, or
            cm² where flat); ``segmentation``: structures in a row; ``lesion``: a mask of one to three lesions;
            ``survival``: the larger the lesion, the sooner the event.
        visits: How many cases in all: a case is one visit.
        visits_per_patient: Visits of each patient.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; by default the field of view is 192 mm wide.
        views: Names of the views of a visit. Flat classification shows a chest from the front, then from the side.
        missing_views: Share of the views that were not taken; a visit keeps one at least.
        classes: Class names, or the names of a multilabel study's labels.
        label: Column of the class, or of the number; of survival the columns are ``<label>_time`` and ``<label>_event``.
        labels: Structure to value in the label map. ``lesion`` uses the first.
        mask: Name of the label map.
        sites: Names of the sites; patients are spread evenly.
        site_effect: How much scanners differ: 0 not at all, 1 as vendors do.
        confounding: 0: each site sees the same mix of classes; 1: each sees one class only.
        lesion_radius_mm: Shortest and longest half axis; by default 8 to 13 hundredths of the field of view, 5 to 17 for
            survival (there of a lesion two standard deviations below and above the middle).
        lesion_contrast: What a lesion adds to the grey value (0 to 1; tissue is 0.42, noise 0.02).
        format: ``nifti``, ``png``, ``dicom`` (an MR series; a radiograph where flat), or ``mixed``: DICOM and NIfTI in
            turn by site.
        truth: Whether classification and survival also keep masks of the lesions, named ``lesion``; survival then has
            the field ``log_hazard`` too.
        lesion_effect: Survival: log hazard ratio for each standard deviation of the lesion's log volume.
        age_effect: Survival: log hazard ratio for 20 years of age, which the image does not show.
        median_time: Survival: by when one of two patients of average risk has the event, in any unit.
        censored: Survival: expected share of patients that are lost from sight before the event.
        seed: Everything drawn follows from it.
        folder: Where the study is written, inside `root`.

    Raises:
        RecipeError: A spacing has not as many axes as the size, PNG is asked of volumes, or the folder leads out of
            `root`.

    Source: own generator; synthetic studies with a known answer as in ClinicaDL (Thibeau-Sutre et al. 2022).

    Example:
        >>> from tempfile import mkdtemp
        >>> made = Phantoms(Path(mkdtemp()), visits=4, size=[16, 16], format="png")
        >>> [case.labels["label"] for case in made.cases()]  # doctest: +SKIP
        ['absent', 'present', 'present', 'absent']
    """

    def __init__(
        self,
        root: Path,
        task: Literal[
            "classification", "multilabel", "regression", "segmentation", "lesion", "survival"
        ] = "classification",
        visits: Annotated[int, Ge(1), Le(100_000)] = 60,
        visits_per_patient: Annotated[int, Ge(1)] = 1,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 3)] = [64, 64],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        views: Annotated[list[str], MinLen(1)] = ["image"],  # noqa: B006
        missing_views: Annotated[float, Ge(0), Le(0.9)] = 0.0,
        classes: Annotated[list[str], MinLen(1)] = ["absent", "present"],  # noqa: B006
        label: str = "label",
        labels: Annotated[dict[str, int], MinLen(1)] = {"front": 1, "back": 2},  # noqa: B006
        mask: str = "label",
        sites: Annotated[list[str], MinLen(1)] = ["north", "south"],  # noqa: B006
        site_effect: Annotated[float, Ge(0)] = 0.0,
        confounding: Annotated[float, Ge(0), Le(1)] = 0.0,
        lesion_radius_mm: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] | None = None,
        lesion_contrast: Annotated[float, Gt(0), Le(1)] = 0.3,
        format: Literal["nifti", "png", "dicom", "mixed"] = "nifti",  # noqa: A002  the recipe's word
        truth: bool = False,
        lesion_effect: float = 1.0,
        age_effect: float = 0.0,
        median_time: Annotated[float, Gt(0)] = 24.0,
        censored: Annotated[float, Ge(0), Le(0.95)] = 0.3,
        seed: Annotated[int, Ge(0)] = 0,
        folder: str = "phantoms",
    ) -> None:
        if spacing_mm is not None and len(spacing_mm) != len(size):
            raise RecipeError(
                f"size has {len(size)} axes and spacing_mm {len(spacing_mm)}",
                expected="one number for each axis in both",
                code="phantom_axes",
            )
        if format == "png" and len(size) == 3:
            raise RecipeError(
                "a PNG holds no volume",
                expected="nifti, dicom or mixed for a size of three axes",
                remedy="take another format, or two axes",
                code="phantom_png_volume",
            )
        if PurePath(folder).is_absolute() or ".." in PurePath(folder).parts:
            raise RecipeError(
                "the phantoms' folder leads out of the recipe's",
                expected="a name, or a path without '..' inside the recipe's folder",
                code="phantom_folder",
            )
        self.root, self.task, self.visits, self.visits_per_patient = root, task, visits, visits_per_patient
        self.size, self.spacing_mm, self.views, self.missing_views = size, spacing_mm, views, missing_views
        self.classes, self.label, self.labels, self.mask = classes, label, labels, mask
        self.sites, self.site_effect, self.confounding = sites, site_effect, confounding
        self.lesion_radius_mm, self.lesion_contrast = lesion_radius_mm, lesion_contrast
        self.format, self.truth, self.seed, self.folder = format, truth, seed, folder
        self.lesion_effect, self.age_effect = lesion_effect, age_effect
        self.median_time, self.censored = median_time, censored

    @classmethod
    def example(cls) -> Phantoms:
        return cls(Path(mkdtemp(prefix="preceptor-phantoms-")), visits=4, size=[16, 16], format="png")

    @property
    def plan(self) -> Plan:
        """The settings, as the maker of studies takes them."""
        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Plan)}
        given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return Plan(**given)

    @cached_property
    def _study(self) -> Cohort:
        return make_study(self.plan, Path(self.root) / self.folder)

    @property
    def cohort_root(self) -> Path:
        return self._study.root

    @property
    def notes(self) -> tuple[str, ...]:
        """For the report: that these are phantoms."""
        return self._study.notes

    def cases(self) -> Iterator[Case]:
        yield from self._study
