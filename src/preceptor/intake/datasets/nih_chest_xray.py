"""NIH ChestX-ray14: 112,120 chest radiographs with 14 findings read from their reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.published import Entry, Published, chosen, column_name, example_of, rows_of

_FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)


class NihChestXray(Published):
    """NIH ChestX-ray14 as published: ``Data_Entry_2017.csv`` and the folders ``images_001/images/`` to ``images_012/``.

    Args:
        folder: The folder that holds the table, seen from the recipe.
        labels: Findings to take, as published; all 14 by default.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per image with the view ``frontal``, the patient, a label 1 or 0 per finding, the
    fields sex, age, follow_up (number of the visit) and projection, and, where ``train_val_list.txt`` and
    ``test_list.txt`` lie beside the table, the official parts as the roles train and test.

    Raises:
        CohortError: The table or every image is absent (``data_absent``), or a finding is unknown.

    Source: Wang et al. 2017, arXiv:1705.02315. Labels were mined from reports: about one in ten is wrong.

    Example:
        >>> [(case.role, case.labels["effusion"]) for case in NihChestXray.example().cases()]
        [('train', 1), ('test', 0)]
    """

    def __init__(
        self, folder: str = ".", labels: list[str] | None = None, keep_names: bool = False, root: Path = Path()
    ) -> None:
        self.folder, self.labels, self.keep_names, self.root = folder, labels, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> NihChestXray:
        picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
        head = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
        rows = ["00000001_000.png,Cardiomegaly|Effusion,0,1,58,M,PA", "00000002_000.png,No Finding,0,2,81,M,AP"]
        return example_of(
            cls,
            {
                "images_001/images/00000001_000.png": picture,
                "images_002/images/00000002_000.png": picture,
                "Data_Entry_2017.csv": "\n".join([head, *rows]),
                "train_val_list.txt": "00000001_000.png\n",
                "test_list.txt": "00000002_000.png\n",
            },
        )

    def entries(self, base: Path) -> Iterator[Entry]:
        wanted = chosen(self.labels, _FINDINGS, "cohort.nih_chest_xray.labels")
        roles = {
            name: role
            for file, role in (("train_val_list.txt", "train"), ("test_list.txt", "test"))
            if (base / file).is_file()
            for name in (base / file).read_text(encoding="utf-8").split()
        }
        lie = {path.name: path.relative_to(base).as_posix() for path in sorted(base.glob("images*/**/*.png"))}
        table = next(iter(sorted(base.glob("Data_Entry_2017*.csv"))), base / "Data_Entry_2017.csv")
        columns = ["Image Index", "Finding Labels", "Patient ID"]
        for row in rows_of(table, columns, ["Image Index", "Patient ID"]):
            name, found = row["Image Index"], str(row["Finding Labels"]).split("|")
            if strange := set(found) - {*_FINDINGS, "No Finding"}:
                raise CohortError(
                    f"the findings hold {len(strange)} that the data set does not have",
                    where=table.name,
                    expected=f"one of {', '.join(_FINDINGS)}, or No Finding",
                    code="label_unknown",
                )
            yield Entry(
                name=name.rsplit(".", 1)[0],
                images={"frontal": lie.get(name, f"images/{name}")},
                patient=row["Patient ID"],
                labels={column_name(each): int(each in found) for each in wanted},
                fields={
                    "sex": row.get("Patient Gender"),
                    "age": row.get("Patient Age"),
                    "follow_up": row.get("Follow-up #"),
                    "projection": row.get("View Position"),
                },
                role=roles.get(name),
            )
