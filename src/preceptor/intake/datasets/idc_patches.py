"""Patches of breast histology with and without invasive ductal carcinoma."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.intake.published import Entry, Published, example_of

_NAME = re.compile(r"^(?P<patient>\d+)_idx\d+_x(?P<x>\d+)_y(?P<y>\d+)_class(?P<label>[01])\.png$")


class IdcPatches(Published):
    """The IDC patches as published: ``10253/0/10253_idx5_x1351_y1101_class0.png``, 50 x 50 pixels at 40x.

    Args:
        folder: The folder that holds the patients' folders, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per patch with the view ``image``, the patient, the label ``carcinoma`` (1 or 0) and the
    fields x_pixels and y_pixels, its place in the slide.

    Raises:
        CohortError: The folder or every patch is absent (``data_absent``).

    Source: Cruz-Roa et al. 2014, doi:10.1117/12.2043872; Janowczyk & Madabhushi 2016, doi:10.4103/2153-3539.186902.

    Example:
        >>> [(case.patient, case.labels) for case in IdcPatches.example().cases()]
        [('10253', {'carcinoma': 0}), ('10253', {'carcinoma': 1})]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> IdcPatches:
        patch = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
        names = ["10253/0/10253_idx5_x1351_y1101_class0.png", "10253/1/10253_idx5_x501_y351_class1.png"]
        return example_of(cls, dict.fromkeys(names, patch))

    def entries(self, base: Path) -> Iterator[Entry]:
        for path in sorted(base.glob("*/[01]/*.png")):
            found = _NAME.match(path.name)
            if found is None:
                continue
            yield Entry(
                name=path.stem,
                images={"image": path.relative_to(base).as_posix()},
                patient=found["patient"],
                labels={"carcinoma": int(found["label"])},
                fields={"x_pixels": int(found["x"]), "y_pixels": int(found["y"])},
            )
