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
_VERSION = 3

Question = Literal["classification", "multilabel", "regression", "segmentation", "lesion"]
Format = Literal["nifti", "png", "dicom", "mixed"]


@dataclass(frozen=True)
class Plan:
    """What a phantom study holds.

    Args:
        task: Classification plants as many lesions as the class's place in `classes`; multilabel plants one lesion in
            a place of its own for each label that is there; regression asks for the lesions' volume; segmentation
            shows the structures of `labels` in a row; lesion asks where one to three lesions are.
        visits: In all.
        visits_per_patient: Visits of each patient.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; by default the field of view is 192 mm wide.
        views: Names of the views of a visit. Flat classification shows a chest from the front and the side.
        missing_views: Share of the views that were not taken; a visit keeps one at least.
        classes: Class names, or names of the labels of a multilabel study.
        label: Column of the class or the number.
        labels: ``{structure: value in the label map}``.
        mask: Name of the label map.
        sites: Names of the sites; patients are spread evenly over them.
        site_effect: How much their scanners differ: 0 not at all, 1 as vendors do.
        confounding: 0: every site sees the same mix of classes; 1: a site sees one class only.
        lesion_radius_mm: Shortest and longest half axis; by default 8 to 13 hundredths of the field of view.
        lesion_contrast: What a lesion adds to the grey value (tissue is 0.42, noise 0.02).
        format: NIfTI, PNG, DICOM (MR series, or radiographs), or DICOM and NIfTI in turn by site.
        truth: Whether classification also keeps a mask of the lesions, named ``lesion``.
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
        narrow = min(self.extent_mm)
        return self.lesion_radius_mm or (0.08 * narrow, 0.13 * narrow)

    def rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *stream])
