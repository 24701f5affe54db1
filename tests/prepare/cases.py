"""Small cohorts on disk, and tasks that need nothing else."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.evidence import Question
from preceptor.core.image import Image


class Structures:
    """Segmentation of values 1 and 2; 9 is unlabelled."""

    varies = False

    def __init__(self, mask: str = "label", classes: tuple[str, ...] = ("background", "small", "large")) -> None:
        self.mask = mask
        self.classes = classes
        self.question = Question("segmentation", mask, classes, dense=True, values=(0, 1, 2))

    def encode(self, case):
        return {}

    def encode_mask(self, array):
        return np.where(array == 9, -1, array).astype(np.int8)

    def decode_mask(self, index):
        return index.astype(np.uint8)

    def __call__(self, images, targets, rng):
        return images, targets


class Finding:
    """One class a case, unlabelled where the label is missing, and a number."""

    mask = None
    varies = False

    def __init__(self) -> None:
        self.question = Question("classification", "finding", ("no", "yes"))

    def encode(self, case):
        value = case.labels.get("finding")
        grade = case.labels.get("grade")
        return {
            "finding": np.int64(-1 if value is None else value),
            "grade": np.array([np.nan if grade is None else grade], dtype=np.float32),
        }

    def __call__(self, images, targets, rng):
        return images, targets


def volume(shape, seed=0, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth image, a label map with a small and a large ball, and the affine."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    image = np.cos(3 * grid[0] + rng.normal()) + grid[1] * grid[-1] + 0.1 * rng.normal(size=shape)
    large = ((grid + 0.2) ** 2).sum(0) < 0.25
    small = ((grid - 0.5) ** 2).sum(0) < 0.04
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return image.astype(np.float32) * 50 + 100, (2 * large + small * ~large).astype(np.uint8), affine


def volumes(folder: Path, shapes=((20, 24, 18),) * 4, masks: bool = True, **changes) -> Cohort:
    """NIfTI volumes with their label maps; one a patient."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number, shape in enumerate(shapes):
        image, label, affine = volume(shape, number)
        nibabel.save(nibabel.Nifti1Image(image, affine), folder / f"image{number}.nii")
        nibabel.save(nibabel.Nifti1Image(label, affine), folder / f"label{number}.nii")
        cases.append(
            Case(
                f"case-{number}",
                {"t1": f"image{number}.nii"},
                patient=f"p{number}",
                masks={"label": f"label{number}.nii"} if masks else {},
                fields={"age": 40.0 + number, "site": "AB"[number % 2]},
                role="train",
                **changes,
            )
        )
    return Cohort(tuple(cases), folder)


def sample(array: np.ndarray, affine: np.ndarray | None = None, label: np.ndarray | None = None, **meta) -> Sample:
    """A sample of one view from arrays ``(*space)``."""
    affine = np.eye(4) if affine is None else affine
    masks = {} if label is None else {"label": Image(label[None], affine, is_label=True)}
    return Sample("case", {"view": Image(array[None].astype(np.float32), affine, meta=meta)}, masks)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())
