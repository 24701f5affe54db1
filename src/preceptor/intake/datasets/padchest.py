"""PadChest: 160,868 chest radiographs with findings from Spanish reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.intake.published import Entry, Published, column_name, example_of, rows_of

_VIEWS = {"PA": "frontal", "AP": "frontal", "AP_horizontal": "frontal", "L": "lateral"}


class Padchest(Published):
    """PadChest as published: ``PADCHEST_chest_x_ray_images_labels_160K_….csv`` and the folders ``0/`` to ``54/``.

    Args:
        folder: The folder that holds the table, seen from the recipe.
        labels: Findings, as published in the column ``Labels``; there are 174 and more, so they are named.
        by_physicians: Take only images whose labels a physician set (27 %); the others were set by a network.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per image with the view ``frontal``, ``lateral`` or ``other`` (by the column
    ``Projection``), the patient, a label 1 or 0 per finding (none where the labels are missing), and the fields study,
    sex, born, examined, projection and labelled_by.

    Raises:
        CohortError: The table or every image is absent (``data_absent``), or it lacks a column.

    Source: Bustos et al. 2020, arXiv:1901.07441.

    Example:
        >>> [case.labels for case in Padchest.example().cases()]
        [{'pleural_effusion': 1}, {'pleural_effusion': 0}]
    """

    def __init__(
        self,
        labels: list[str],
        folder: str = ".",
        by_physicians: bool = False,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.labels, self.folder, self.by_physicians = labels, folder, by_physicians
        self.keep_names, self.root = keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Padchest:
        picture = np.arange(64, dtype=np.uint16).reshape(8, 8) * 512
        head = ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,Projection,MethodLabel,Labels"
        rows = [
            """0,a.png,0,20140915,s1,p1,1930.0,F,PA,Physician,"['pleural effusion', 'loc basal']\"""",
            """1,b.png,3,20150915,s2,p2,1950.0,M,L,RNN_model,['normal']""",
        ]
        table = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
        return example_of(
            cls, {"0/a.png": picture, "3/b.png": picture, table: "\n".join([head, *rows])}, labels=["pleural effusion"]
        )

    def entries(self, base: Path) -> Iterator[Entry]:
        named = sorted(base.glob("PADCHEST_*160K*.csv*"))
        table = named[0] if named else base / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
        columns = ["ImageID", "ImageDir", "PatientID", "Labels"]
        for row in rows_of(table, columns, ["ImageID", "ImageDir", "PatientID"]):
            if self.by_physicians and row.get("MethodLabel") != "Physician":
                continue
            # A list as Python prints it; its words are taken out, and nothing of it is evaluated.
            text = row["Labels"]
            found = None if text is None else {each.strip() for each in re.findall(r"'([^']*)'", str(text))}
            place = str(row["ImageDir"]).removesuffix(".0")
            yield Entry(
                name=row["ImageID"].rsplit(".", 1)[0],
                images={_VIEWS.get(str(row.get("Projection")), "other"): f"{place}/{row['ImageID']}"},
                patient=row["PatientID"],
                labels={column_name(each): None if found is None else int(each in found) for each in self.labels},
                fields={
                    "study": row.get("StudyID"),
                    "sex": row.get("PatientSex_DICOM"),
                    "born": row.get("PatientBirth"),
                    "examined": row.get("StudyDate_DICOM"),
                    "projection": row.get("Projection"),
                    "labelled_by": row.get("MethodLabel"),
                },
            )
