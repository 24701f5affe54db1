"""Cases of a Medical Segmentation Decathlon ``dataset.json``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.description import channel_names, read_description
from preceptor.intake.naming import IMAGE_ABSENT, case_key, data_absent, from_path, plain_view


class Decathlon:
    """Cases of a Medical Segmentation Decathlon ``dataset.json``.

    Args:
        file: The ``dataset.json``, seen from the recipe.
        channels: How the contrasts of a four-axis image are handed on: ``views`` names each by its modality (any of
            them may then be missing), ``channels`` stacks them in the view ``image``. One contrast is the view
            ``image`` in any case.
        test: Whether the unlabelled test images are cases too.
        patient: Regular expression whose one group, searched in the image's path, is the patient.
        keep_names: Use the file names as keys: for public data.

    Returns (``cases``): One `Case` per image, with the mask ``label`` where it has one. Images that are not there are
    left out and counted.

    Raises:
        CohortError: The file is absent (``data_absent``), is not of this layout, or leads out of its folder.

    Source: Antonelli et al. 2022, The Medical Segmentation Decathlon, doi:10.1038/s41467-022-30695-9.

    Example:
        >>> [sorted(case.images) for case in Decathlon.example().cases()]
        [['flair', 't1w']]
    """

    def __init__(
        self,
        file: str = "dataset.json",
        channels: Literal["views", "channels"] = "views",
        test: bool = False,
        patient: str | None = None,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.file = file
        self.channels = channels
        self.test = test
        self.patient = patient
        self.keep_names = keep_names
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.exclusions: list[tuple[str, int]] = []

    @classmethod
    def example(cls) -> Decathlon:
        import nibabel

        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name)
        voxels = np.arange(128, dtype=np.int16)
        nibabel.Nifti1Image(voxels.reshape(4, 4, 4, 2), np.eye(4)).to_filename(folder / "a.nii")
        nibabel.Nifti1Image((voxels[:64] > 31).astype(np.uint8).reshape(4, 4, 4), np.eye(4)).to_filename(
            folder / "b.nii"
        )
        description = {"modality": {"0": "FLAIR", "1": "T1w"}, "training": [{"image": "./a.nii", "label": "./b.nii"}]}
        (folder / "dataset.json").write_text(json.dumps(description))
        made = cls(root=folder)
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.file).parent.resolve()

    def cases(self) -> Iterator[Case]:
        path = self.root / self.file
        if not path.is_file():
            raise data_absent(self.file)
        description = read_description(path)
        if not isinstance(description.get("training"), list):
            raise self._not_of_this_layout()
        listed = [self._sources(entry) for entry in description["training"]]
        if self.test:
            listed += [self._sources(entry) for entry in description.get("test", [])]
        present = [each for each in listed if (self.cohort_root / each[0]).is_file()]
        self.exclusions = [(IMAGE_ABSENT, len(listed) - len(present))] if len(present) < len(listed) else []
        if listed and not present:
            raise data_absent(self.file)
        names = channel_names(description)
        for image, label in present:
            key = case_key(PurePosixPath(image).name.split(".")[0], keep_names=self.keep_names)
            yield Case(
                key=key,
                images=self._views(image, names),
                masks={"label": label} if label and (self.cohort_root / label).is_file() else {},
                patient=None if self.patient is None else from_path(self.patient, image, "patient", key),
            )

    def _views(self, image: str, names: list[str]) -> dict[str, str]:
        if len(names) < 2:
            return {"image": image}
        if self.channels == "channels":
            return {"image": f"{image}::channels"}
        return {plain_view(name): f"{image}::{volume}" for volume, name in enumerate(names)}

    def _sources(self, entry: object) -> tuple[str, str | None]:
        """Image and label map of one entry, relative to the file."""
        image, label = (entry.get("image"), entry.get("label")) if isinstance(entry, dict) else (entry, None)
        if not isinstance(image, str) or not isinstance(label, str | None):
            raise self._not_of_this_layout()
        for each in filter(None, (image, label)):
            if PurePosixPath(each).is_absolute() or ".." in PurePosixPath(each).parts or "::" in each:
                raise CohortError(
                    "dataset.json names a file outside its folder",
                    where=self.file,
                    expected="paths such as ./imagesTr/a.nii.gz",
                    code="path_outside",
                )
        return PurePosixPath(image).as_posix(), label and PurePosixPath(label).as_posix()

    def _not_of_this_layout(self) -> CohortError:
        return CohortError(
            "the file is no Decathlon description",
            where=self.file,
            expected='"training": [{"image": …, "label": …}]',
            remedy="for nnU-Net raw folders use the data set `nnunet_raw`",
            code="decathlon",
        )
