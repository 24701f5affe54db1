"""MIMIC-CXR-JPG: 377,110 chest radiographs with 14 observations read from their reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

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

_ROLES = {"train": "train", "validate": "tune", "test": "test"}
_VIEWS = {"PA": "frontal", "AP": "frontal", "LATERAL": "lateral", "LL": "lateral"}


class MimicCxrJpg(Published):
    """MIMIC-CXR-JPG as published: ``files/p10/p10000032/s50414267/….jpg`` with tables of metadata, labels and parts.

    Args:
        folder: The folder that holds the tables (``.csv`` or ``.csv.gz``) and ``files/``, seen from the recipe.
        labels: Observations to take, as published; all 14 by default.
        labeller: Whose labels: ``chexpert`` or ``negbio``.
        uncertain: Of labels that are -1, as in `chexpert`.
        blank: Of observations that the report does not mention: ``unlabelled`` or ``negative``.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per image with the view ``frontal``, ``lateral`` or ``other``, the patient, the
    fields study, projection and examined (a date that was shifted per patient), and the official parts as the roles
    train, tune and test.

    Raises:
        CohortError: A table or every image is absent (``data_absent``), or a table lacks a column.

    Source: Johnson et al. 2019, arXiv:1901.07042; version 2.

    Example:
        >>> [(case.role, case.labels["edema"]) for case in MimicCxrJpg.example().cases()]
        [('train', 'uncertain'), ('test', None)]
    """

    def __init__(
        self,
        folder: str = ".",
        labels: list[str] | None = None,
        labeller: Literal["chexpert", "negbio"] = "chexpert",
        uncertain: Uncertain = "keep",
        blank: Blank = "unlabelled",
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder, self.labels, self.labeller = folder, labels, labeller
        self.uncertain, self.blank = uncertain, blank
        self.keep_names, self.root = keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> MimicCxrJpg:
        picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
        images = [("10000032", "50414267", "02aa804e"), ("11000033", "50999999", "174413ec")]
        files = {f"files/p{who[:2]}/p{who}/s{study}/{name}.jpg": picture for who, study, name in images}
        tables = {
            "mimic-cxr-2.0.0-metadata.csv": "\n".join(
                ["dicom_id,subject_id,study_id,ViewPosition,StudyDate"]
                + [
                    f"{name},{who},{study},{view},21800506"
                    for (who, study, name), view in zip(images, ("PA", ""), strict=True)
                ]
            ),
            "mimic-cxr-2.0.0-split.csv": "\n".join(
                ["dicom_id,study_id,subject_id,split"]
                + [
                    f"{name},{study},{who},{part}"
                    for (who, study, name), part in zip(images, ("train", "test"), strict=True)
                ]
            ),
            "mimic-cxr-2.0.0-chexpert.csv": "subject_id,study_id,"
            + ",".join(OBSERVATIONS)
            + "\n10000032,50414267,,,,,,-1.0,,,,,,,,",
        }
        return example_of(cls, {**files, **tables})

    def entries(self, base: Path) -> Iterator[Entry]:
        wanted = chosen(self.labels, OBSERVATIONS, "cohort.mimic_cxr_jpg.labels")
        ids = ["subject_id", "study_id"]
        labels = {
            row["study_id"]: row for row in rows_of(base / f"mimic-cxr-2.0.0-{self.labeller}.csv", [*ids, *wanted], ids)
        }
        parts = {
            row["dicom_id"]: row["split"]
            for row in rows_of(base / "mimic-cxr-2.0.0-split.csv", ["dicom_id", "split"], ["dicom_id"])
        }
        needed = ["dicom_id", *ids, "ViewPosition"]
        for row in rows_of(base / "mimic-cxr-2.0.0-metadata.csv", needed, ["dicom_id", *ids]):
            who, study, name = row["subject_id"], row["study_id"], row["dicom_id"]
            read = labels.get(study, {})
            date = row.get("StudyDate")
            yield Entry(
                name=name,
                images={_VIEWS.get(str(row["ViewPosition"]), "other"): f"files/p{who[:2]}/p{who}/s{study}/{name}.jpg"},
                patient=who,
                labels={column_name(each): finding(read.get(each), self.uncertain, self.blank) for each in wanted}
                if read
                else dict.fromkeys(map(column_name, wanted)),
                fields={
                    "study": study,
                    "projection": row["ViewPosition"],
                    "examined": None if date is None else str(date).removesuffix(".0"),
                },
                role=_ROLES.get(str(parts.get(name))),
            )
