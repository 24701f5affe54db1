"""CheXpert: 224,316 chest radiographs with 14 observations read from their reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.intake.published import (
    OBSERVATIONS,
    Blank,
    Entry,
    Published,
    Uncertain,
    chosen,
    column_name,
    example_of,
    finding,
    rows_of,
)


class Chexpert(Published):
    """CheXpert as published: ``train.csv`` and ``valid.csv`` beside the folders of the patients.

    Paths in the tables are such as ``CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg``. Labels that the
    report left open (-1) are not the same as absent ones, so the recipe says what becomes of them.

    Args:
        folder: The folder that holds ``train.csv``, seen from the recipe.
        labels: Observations to take, as published; all 14 by default.
        uncertain: Of labels that are -1: ``keep`` makes every label one of the words present, absent and uncertain, as
            three classes of a classification; ``positive``, ``negative`` and ``unlabelled`` give 1, 0 or nothing.
        blank: Of observations that the report does not mention: ``unlabelled`` or ``negative``.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per image with the view ``frontal`` or ``lateral``, the patient, the fields sex,
    age, study and projection (AP, PA), and the official parts as the roles train and test.

    Raises:
        CohortError: The table or every image is absent (``data_absent``), or it holds no such labels.

    Source: Irvin et al. 2019, arXiv:1901.07031 (table 1: policies for uncertain labels).

    Example:
        >>> [case.labels["edema"] for case in Chexpert.example().cases()]
        ['present', 'uncertain', None]
    """

    def __init__(
        self,
        folder: str = ".",
        labels: list[str] | None = None,
        uncertain: Uncertain = "keep",
        blank: Blank = "unlabelled",
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder, self.labels, self.uncertain, self.blank = folder, labels, uncertain, blank
        self.keep_names, self.root = keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Chexpert:
        picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
        head = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS])
        place = "CheXpert-v1.0-small"
        rows = [
            (f"{place}/train/patient00001/study1/view1_frontal.jpg", "Female,68,Frontal,AP,,,,,,1.0,,,,,,,,"),
            (f"{place}/train/patient00001/study1/view2_lateral.jpg", "Female,68,Lateral,,,,,,,-1.0,,,,,,,,"),
        ]
        last = f"{place}/valid/patient64541/study1/view1_frontal.jpg"
        files = {path.removeprefix(f"{place}/"): picture for path in [*(path for path, _ in rows), last]}
        tables = {
            "train.csv": "\n".join([head, *(f"{path},{rest}" for path, rest in rows)]),
            "valid.csv": f"{head}\n{last},Male,73,Frontal,PA,0.0,,,,,,,,,,,,,",
        }
        return example_of(cls, {**files, **tables})

    def entries(self, base: Path) -> Iterator[Entry]:
        wanted = chosen(self.labels, OBSERVATIONS, "cohort.chexpert.labels")
        for part, role in (("train", "train"), ("valid", "test")):
            if part == "valid" and not (base / "valid.csv").is_file():
                continue
            for row in rows_of(base / f"{part}.csv", ["Path", "Frontal/Lateral", *wanted], ["Path"]):
                # The first folder is the archive's own name, under which nobody need have unpacked it.
                path = str(row["Path"]).split("/", 1)[-1]
                pieces = path.split("/")
                yield Entry(
                    name=path.rsplit(".", 1)[0],
                    images={str(row["Frontal/Lateral"]).lower(): path},
                    patient=pieces[1],
                    labels={column_name(name): finding(row[name], self.uncertain, self.blank) for name in wanted},
                    fields={
                        "study": "/".join(pieces[1:3]),
                        "sex": row.get("Sex"),
                        "age": row.get("Age"),
                        "projection": row.get("AP/PA"),
                    },
                    role=role,
                )
