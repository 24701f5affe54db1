"""BraTS: four contrasts of brain tumours with their parts outlined."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.intake.published import Entry, Published, example_of

#: What the years call the contrasts.
_VIEWS = {
    "t1": "t1",
    "t1n": "t1",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t2": "t2",
    "t2w": "t2",
    "flair": "flair",
    "t2f": "flair",
}
_FILE = re.compile(r"^(?P<case>BraTS.+?)[_-](?P<what>t1|t1n|t1ce|t1c|t2|t2w|t2f|flair|seg)\.nii(\.gz)?$", re.IGNORECASE)


class Brats(Published):
    """BraTS as published from 2017 to 2024, four contrasts of brain tumours with their parts outlined.

    Files are called ``BraTS2021_00000/BraTS2021_00000_flair.nii.gz`` or, from 2023 on,
    ``BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2f.nii.gz``, at any depth (``HGG/``, ``LGG/``).

    Args:
        folder: The folder that holds the cases' folders, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per study with the views t1, t1ce, t2 and flair (a contrast that is not there is
    absent), the mask ``label`` (1 necrosis, 2 oedema, 4 or, from 2023 on, 3 enhancing tumour), the patient (from 2023 on
    a patient may have several studies), and the field grade where the folder is called HGG or LGG.

    Raises:
        CohortError: The folder or every image is absent (``data_absent``).

    Source: Baid et al. 2021, arXiv:2107.02314.

    Example:
        >>> [(sorted(case.images), case.patient) for case in Brats.example().cases()]
        [(['flair', 't1ce'], 'BraTS-GLI-00002'), (['flair', 't1'], 'BraTS2021_00000')]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Brats:
        scan = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
        old, new = "BraTS2021_00000/BraTS2021_00000", "BraTS-GLI-00002-001/BraTS-GLI-00002-001"
        files = {f"{old}_{what}.nii.gz": scan for what in ("t1", "flair")}
        files |= {f"{new}-{what}.nii.gz": scan for what in ("t1c", "t2f")}
        return example_of(cls, {**files, f"{old}_seg.nii.gz": (scan > 40).astype(np.uint8)})

    def entries(self, base: Path) -> Iterator[Entry]:
        studies: dict[tuple[str, str], dict[str, str]] = {}
        for path in sorted(base.rglob("BraTS*.nii*")):
            found = _FILE.match(path.name)
            if found is not None:
                place = path.parent.relative_to(base).as_posix()
                what = found["what"].lower()
                studies.setdefault((place, found["case"]), {})[_VIEWS.get(what, what)] = f"{place}/{path.name}"
        for (place, name), files in studies.items():
            grade = next((part for part in place.split("/") if part in ("HGG", "LGG")), None)
            several = re.match(r"^(BraTS-[A-Z]+-\d+)-\d+$", name)
            yield Entry(
                name=name,
                images={view: path for view, path in files.items() if view != "seg"},
                patient=several[1] if several else name,
                masks={"label": files["seg"]} if "seg" in files else {},
                fields={"grade": grade},
            )
