"""What a phantom study holds, as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

#: Side of the field of view where no spacing is given.
FIELD_OF_VIEW_MM = 192.0

#: Changes whenever the same plan would make other bytes.
_VERSION = 4

Question = Literal["classification", "multilabel", "regression", "segmentation", "lesion", "survival"]
Format = Literal["nifti", "png", "dicom", "mixed"]


@dataclass(frozen=True)
class Plan:
    """What a phantom study holds.

    Args:
        task: Classification plants as many lesions as the class's place in `classes`; multilabel plants one lesion in
            a place of its own for each label that is there; regression asks for the lesions' volume; segmentation
            shows the structures of `labels` in a row; lesion asks where one to three lesions are; survival asks how soon
            the event comes: the larger the lesion, the sooner.
        visits: In all.
        visits_per_patient: Visits of each patient.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; by default the field of view is 192 mm wide.
        views: Names of the views of a visit. Flat classification shows a chest from the front and the side.
        missing_views: Share of the views that were not taken; a visit keeps one at least.
        classes: Class names, or names of the labels of a multilabel study.
        label: Column of the class or the number; of survival the columns are ``<label>_time`` and ``<label>_event``.
        labels: ``{structure: value in the label map}``.
        mask: Name of the label map.
        sites: Names of the sites; patients are spread evenly over them.
        site_effect: How much their scanners differ: 0 not at all, 1 as vendors do.
        confounding: 0: every site sees the same mix of classes; 1: a site sees one class only.
        lesion_radius_mm: Shortest and longest half axis; by default 8 to 13 hundredths of the field of view, 5 to 17 for
            survival (there of a lesion two standard deviations below and above the middle).
        lesion_contrast: What a lesion adds to the grey value (tissue is 0.42, noise 0.02).
        format: NIfTI, PNG, DICOM (MR series, or radiographs), or DICOM and NIfTI in turn by site.
        truth: Whether classification and survival also keep a mask of the lesions, named ``lesion``; survival then has
            the field ``log_hazard`` too.
        lesion_effect: Survival: log hazard ratio for each standard deviation of the lesion's log volume.
        age_effect: Survival: log hazard ratio for 20 years of age, which the image does not show.
        median_time: Survival: by when one of two patients of average risk has the event.
        censored: Survival: expected share of patients that are lost from sight before the event.
        seed: Everything drawn follows from it.
    """

    task: Question = "classification"
    visits: int = 60
    visits_per_patient: int = 1
    size: tuple[int, ...] = (64, 64)
    spacing_mm: tuple[float, ...] | None = None
    views: tuple[str, ...] = ("image",)
    missing_views: float = 0.0
    classes: tuple[str, ...] = ("absent", "present")
    label: str = "label"
    labels: Mapping[str, int] = field(default_factory=lambda: {"front": 1, "back": 2})
    mask: str = "label"
    sites: tuple[str, ...] = ("north", "south")
    site_effect: float = 0.0
    confounding: float = 0.0
    lesion_radius_mm: tuple[float, float] | None = None
    lesion_contrast: float = 0.3
    format: Format = "nifti"
    truth: bool = False
    lesion_effect: float = 1.0
    age_effect: float = 0.0
    median_time: float = 24.0
    censored: float = 0.3
    seed: int = 0

    @property
    def digest(self) -> str:
        """Eight letters that stand for every setting."""
        settings = json.dumps([_VERSION, asdict(self)], sort_keys=True, default=list)
        return hashlib.sha256(settings.encode()).hexdigest()[:8]

    @property
    def step_mm(self) -> tuple[float, ...]:
        """Spacing along each axis."""
        return self.spacing_mm or tuple(FIELD_OF_VIEW_MM / size for size in self.size)

    @property
    def extent_mm(self) -> tuple[float, ...]:
        return tuple(size * step for size, step in zip(self.size, self.step_mm, strict=True))

    @property
    def radius_mm(self) -> tuple[float, float]:
        narrow, (short, long) = min(self.extent_mm), (0.05, 0.17) if self.task == "survival" else (0.08, 0.13)
        return self.lesion_radius_mm or (short * narrow, long * narrow)

    def rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *stream])
