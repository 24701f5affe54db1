"""Cases found by file patterns."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.naming import case_key, existing_folder, from_path, matched


class Folder:
    """Cases found by file patterns: what the wildcards stand for says which files belong together.

    Args:
        image: Pattern of the image files, or of the folders of DICOM series; or ``{view: pattern}``. With
            ``images/*.nii.gz`` and ``labels/*.nii.gz`` the same file name makes a case; a view that is not there is
            missing.
        folder: Folder the patterns are relative to, seen from the recipe.
        label: Pattern of the label maps, or ``{mask: pattern}``; one pattern alone is the mask ``label``.
        patient: Regular expression whose one group, searched in the first image's relative path, is the patient. It
            must be found in every path. Without it no patient is named, and splits are by image.
        class_from: ``folder`` takes the name of the image's own folder as the label ``label``.
        fields: ``{field: regular expression}`` over the same path.
        keep_names: Use the matched names as keys: for public data, where they can't lead to a person.

    Returns (``cases``): One `Case` per identity, in order of path.

    Raises:
        CohortError: The folder is absent (``data_absent``), a pattern of label maps matches no image, or an expression
            does not fit.

    Source: file patterns as in `pathlib`.

    Example:
        >>> len(list(Folder.example().cases()))
        2
    """

    def __init__(
        self,
        image: str | dict[str, str] = "**/*",
        folder: str = ".",
        label: str | dict[str, str] | None = None,
        patient: str | None = None,
        class_from: Literal["folder"] | None = None,
        fields: dict[str, str] | None = None,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.image = image
        self.folder = folder
        self.label = label
        self.patient = patient
        self.class_from = class_from
        self.fields = fields
        self.keep_names = keep_names
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.notes: list[str] = []

    @classmethod
    def example(cls) -> Folder:
        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        for name in ("a", "b"):
            np.save(Path(kept.name) / f"{name}.npy", np.arange(16, dtype=np.uint8).reshape(4, 4))
        made = cls(image="*.npy", root=Path(kept.name))
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.folder).resolve()

    def cases(self) -> Iterator[Case]:
        base = existing_folder(self.root, self.folder)
        views = {view: self._files(base, pattern) for view, pattern in _named(self.image, "image").items()}
        masks = {mask: self._files(base, pattern) for mask, pattern in _named(self.label, "label").items()}
        identities = dict.fromkeys(identity for files in views.values() for identity in files)
        self.notes = [f"{name}: {note}" for name, note in self._gaps(identities, masks)]
        for identity in sorted(identities):
            images = {view: files[identity] for view, files in views.items() if identity in files}
            path = next(iter(images.values()))
            key = case_key(identity, keep_names=self.keep_names)
            yield Case(
                key=key,
                images=images,
                masks={mask: files[identity] for mask, files in masks.items() if identity in files},
                patient=None if self.patient is None else from_path(self.patient, path, "patient", key),
                labels={"label": Path(path).parent.name} if self.class_from else {},
                fields={name: from_path(each, path, name, key) for name, each in (self.fields or {}).items()},
            )

    def _files(self, base: Path, pattern: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for identity, path in matched(base, pattern):
            if pattern.endswith("*") and (base / path).is_dir() and "**" in pattern:
                continue  # a pattern for everything below means files
            if identity in found:
                key = case_key(identity, keep_names=self.keep_names)
                raise CohortError(
                    f"the pattern '{pattern}' matches two files for case {key}",
                    expected="one file a view and case",
                    remedy="use a narrower pattern",
                    code="pattern_twice",
                )
            found[identity] = path
        return found

    def _gaps(self, identities: Collection[str], masks: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
        """What images and label maps lack of each other."""
        for mask, files in masks.items():
            both = sum(identity in files for identity in identities)
            if identities and not both:
                raise CohortError(
                    f"none of {len(files)} label maps '{mask}' has the name of one of {len(identities)} images",
                    expected="patterns whose wildcards stand for the same text in both",
                    remedy="images/*_0000.nii.gz goes with labels/*.nii.gz",
                    code="labels_unmatched",
                )
            if both < len(identities):
                yield mask, f"{len(identities) - both} images have none"
            if both < len(files):
                yield mask, f"{len(files) - both} have no image and are not used"


def _named(patterns: str | Mapping[str, str] | None, name: str) -> dict[str, str]:
    if patterns is None:
        return {}
    return {name: patterns} if isinstance(patterns, str) else dict(patterns)
