"""Cases of an nnU-Net raw folder."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.description import channel_names, read_description
from preceptor.intake.naming import case_key, existing_folder, from_path, plain_view


class NnunetRaw:
    """Cases of an nnU-Net raw folder: ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``.

    Args:
        folder: The ``DatasetXXX_Name`` folder, seen from the recipe.
        test: Whether the images of ``imagesTs`` are cases too (with labels of ``labelsTs`` where they are).
        patient: Regular expression whose one group, searched in the first image's path, is the patient.
        keep_names: Use the case names as keys: for public data.

    Returns (``cases``): One `Case` per name, with a view per channel (called as ``dataset.json`` says; ``image`` where
    there is one channel) and the mask ``label``. A channel that is not there is a missing view, which is noted.

    Raises:
        CohortError: The folder is absent (``data_absent``), or has no ``imagesTr``.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; dataset format of nnU-Net 1 and 2.

    Example:
        >>> [sorted(case.images) for case in NnunetRaw.example().cases()]
        [['image']]
    """

    def __init__(
        self,
        folder: str = ".",
        test: bool = False,
        patient: str | None = None,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder = folder
        self.test = test
        self.patient = patient
        self.keep_names = keep_names
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.notes: list[str] = []

    @classmethod
    def example(cls) -> NnunetRaw:
        import nibabel

        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name)
        voxels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
        for part, name, array in (("imagesTr", "a_0000", voxels), ("labelsTr", "a", (voxels > 31).astype(np.uint8))):
            (folder / part).mkdir()
            nibabel.Nifti1Image(array, np.eye(4)).to_filename(folder / part / f"{name}.nii")
        description = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "half": 1}, "file_ending": ".nii"}
        (folder / "dataset.json").write_text(json.dumps(description))
        made = cls(root=folder)
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.folder).resolve()

    def cases(self) -> Iterator[Case]:
        base = existing_folder(self.root, self.folder)
        if not (base / "imagesTr").is_dir():
            raise CohortError(
                "the folder is not nnU-Net raw",
                where=self.folder,
                expected="a folder imagesTr in it",
                remedy="name the DatasetXXX_Name folder",
                code="nnunet_raw",
            )
        described = base / "dataset.json"
        description = read_description(described) if described.is_file() else {}
        ending = str(description.get("file_ending", ".nii.gz"))
        names, self.notes = channel_names(description), []
        for part in ("Tr", "Ts") if self.test else ("Tr",):
            channels = self._channels(base / f"images{part}", ending)
            views = _views(names, {number for found in channels.values() for number in found})
            missing = sum(len(views) - len(found) for found in channels.values())
            if missing:
                self.notes.append(f"images{part}: {missing} channels are not there: missing views")
            for name, found in channels.items():
                key = case_key(name, keep_names=self.keep_names)
                images = {views[number]: f"images{part}/{found[number]}" for number in sorted(found)}
                label = f"labels{part}/{name}{ending}"
                path = next(iter(images.values()))
                yield Case(
                    key=key,
                    images=images,
                    masks={"label": label} if (base / label).is_file() else {},
                    patient=None if self.patient is None else from_path(self.patient, path, "patient", key),
                    fields={"official_part": {"Tr": "train", "Ts": "test"}[part]},
                )

    def _channels(self, folder: Path, ending: str) -> dict[str, dict[int, str]]:
        """``{case: {channel: file name}}``."""
        shape = re.compile(rf"(.+)_(\d{{4}}){re.escape(ending)}")
        found: dict[str, dict[int, str]] = defaultdict(dict)
        for path in sorted(folder.glob(f"*{ending}")):
            fits = shape.fullmatch(path.name)
            if fits and not path.name.startswith("."):
                found[fits[1]][int(fits[2])] = path.name
        return found


def _views(names: list[str], numbers: set[int]) -> dict[int, str]:
    """Names of the channels: the one there is, or those that are described."""
    if len(numbers) < 2 and len(names) < 2:
        return dict.fromkeys(numbers, "image")
    return {number: plain_view(names[number]) if number < len(names) else f"channel_{number}" for number in numbers}
