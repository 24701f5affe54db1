"""A MedMNIST file: small images and their labels as arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.intake.array import members, read_member
from preceptor.intake.naming import data_absent

_PARTS = {"train": "train", "val": "tune", "test": "test"}


class Medmnist:
    """A MedMNIST file: ``{train,val,test}_images`` and ``…_labels`` in one ``.npz``. No patient is named.

    Args:
        file: The ``.npz``, seen from the recipe.
        roles: Give the official parts the roles train, tune and test (a recipe without `split` keeps them).
        labels: Names for the columns of the labels; a single column is called ``label``, several ``label_0`` ….

    Returns (``cases``): One `Case` per image with the view ``image``, labels as whole numbers, keys such as
    ``train-00017``.

    Raises:
        CohortError: The file is absent (``data_absent``), or holds no such arrays.
        PrepareError: The file is damaged, or claims more than it holds.

    Source: Yang et al. 2023, MedMNIST v2, doi:10.1038/s41597-022-01721-8.

    Example:
        >>> [case.role for case in Medmnist.example().cases()]
        ['train', 'train', 'tune', 'test']
    """

    def __init__(self, file: str, roles: bool = True, labels: list[str] | None = None, root: Path = Path()) -> None:
        self.file = file
        self.roles = roles
        self.labels = labels
        self.root = Path(root)
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files

    @classmethod
    def example(cls) -> Medmnist:
        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        counts = {"train": 2, "val": 1, "test": 1}
        arrays: dict[str, np.ndarray] = {
            f"{part}_images": np.zeros((n, 8, 8), np.uint8) + np.arange(8, dtype=np.uint8) for part, n in counts.items()
        }
        arrays |= {f"{part}_labels": np.arange(n, dtype=np.uint8)[:, None] for part, n in counts.items()}
        np.savez(Path(kept.name) / "small.npz", allow_pickle=False, **arrays)
        made = cls(file="small.npz", root=Path(kept.name))
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return (self.root / self.file).parent.resolve()

    def cases(self) -> Iterator[Case]:
        path = self.root / self.file
        if not path.is_file():
            raise data_absent(self.file)
        shapes = members(path)
        parts = [part for part in _PARTS if f"{part}_images" in shapes]
        if not parts:
            raise CohortError(
                "the file holds no MedMNIST images",
                where=path.name,
                expected="arrays train_images, train_labels and so on",
                code="medmnist",
            )
        for part in parts:
            number = shapes[f"{part}_images"][0]
            labels = self._read_labels(path, part, number, f"{part}_labels" in shapes)
            for index in range(number):
                yield Case(
                    key=f"{part}-{index:05d}",
                    images={"image": f"{path.name}::{part}_images::{index}"},
                    labels={name: int(values[index]) for name, values in labels.items()},
                    role=_PARTS[part] if self.roles else None,
                )

    def _read_labels(self, path: Path, part: str, number: int, there: bool) -> dict[str, np.ndarray]:
        if not there:
            return {}
        values = read_member(path, f"{part}_labels").reshape(number, -1)
        names = self.labels or (["label"] if values.shape[1] == 1 else [f"label_{i}" for i in range(values.shape[1])])
        if len(names) != values.shape[1]:
            raise CohortError(
                f"{len(names)} names are given for {values.shape[1]} labels",
                where="cohort.medmnist.labels",
                expected=f"{values.shape[1]} names",
                code="medmnist",
            )
        return {name: values[:, column] for column, name in enumerate(names)}
