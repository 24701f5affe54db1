"""ISLES 2022: diffusion and FLAIR of strokes with the infarct outlined."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.intake.published import Entry, Published, example_of

_VIEWS = {"dwi": "dwi", "adc": "adc", "flair": "flair"}


class Isles(Published):
    """ISLES 2022 as published: ``sub-strokecase0001/ses-0001/…_dwi.nii.gz`` and ``derivatives/…_msk.nii.gz``.

    The images lie in the session's folder or one below it (``dwi/``, ``anat/``), depending on the release.

    Args:
        folder: The data set's folder, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per session with the views dwi, adc and flair (each on a grid of its own; one that is
    not there is absent), the mask ``label`` on the grid of dwi, and the patient.

    Raises:
        CohortError: The folder or every image is absent (``data_absent``).

    Source: Hernandez Petzsche et al. 2022, doi:10.1038/s41597-022-01875-5.

    Example:
        >>> [(sorted(case.images), case.patient) for case in Isles.example().cases()]
        [(['adc', 'dwi'], 'sub-strokecase0001')]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Isles:
        scan = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
        session = "sub-strokecase0001/ses-0001"
        name = "sub-strokecase0001_ses-0001"
        return example_of(
            cls,
            {
                f"{session}/dwi/{name}_dwi.nii.gz": scan,
                f"{session}/dwi/{name}_adc.nii.gz": scan,
                f"derivatives/{session}/{name}_msk.nii.gz": (scan > 50).astype(np.uint8),
            },
        )

    def entries(self, base: Path) -> Iterator[Entry]:
        for session in sorted(base.glob("sub-*/ses-*")):
            name = f"{session.parent.name}_{session.name}"
            images = {}
            for path in sorted(session.rglob("*.nii.gz")):
                found = re.search(r"_(dwi|adc|flair)\.nii\.gz$", path.name, re.IGNORECASE)
                if found is not None:
                    images[_VIEWS[found[1].lower()]] = path.relative_to(base).as_posix()
            outlined = sorted((base / "derivatives" / session.relative_to(base)).rglob("*_msk.nii.gz"))
            yield Entry(
                name=name,
                images=images,
                patient=session.parent.name,
                masks={"label": outlined[0].relative_to(base).as_posix()} if outlined else {},
            )
