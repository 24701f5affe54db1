"""COVID-19 Image Data Collection: chest radiographs and CTs from publications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from preceptor.intake.published import Entry, Published, example_of, rows_of

_FRONTAL = {"PA", "AP", "AP Supine", "AP Erect"}


class CovidImageCollection(Published):
    """The COVID-19 Image Data Collection as published: ``metadata.csv`` and ``images/``.

    Args:
        folder: The folder that holds ``metadata.csv``, seen from the recipe.
        modality: Which images: ``X-ray``, ``CT``, or all of them.
        level: How deep the label goes: findings are paths such as ``Pneumonia/Viral/COVID-19``; 1 gives ``Pneumonia``,
            3 ``COVID-19``, and a shorter path its last part.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per image with the view ``frontal``, ``lateral`` or ``other``, the patient, the label
    ``finding``, and the fields sex, age, offset_days, projection and location. An image that is listed twice is two
    cases.

    Raises:
        CohortError: The table or every image is absent (``data_absent``), or it lacks a column.

    Source: Cohen et al. 2020, arXiv:2006.11988. Three patients appear under two ids, which the check `duplicates` finds.

    Example:
        >>> [case.labels["finding"] for case in CovidImageCollection.example().cases()]
        ['COVID-19', 'No Finding']
    """

    def __init__(
        self,
        folder: str = ".",
        modality: Literal["X-ray", "CT", "all"] = "X-ray",
        level: Literal[1, 2, 3, 4] = 3,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder, self.modality, self.level = folder, modality, level
        self.keep_names, self.root = keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> CovidImageCollection:
        picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
        table = "patientid,offset,sex,age,finding,view,modality,location,folder,filename\n"
        table += "2,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,Vietnam,images,a.png\n"
        table += "3,,F,,No Finding,L,X-ray,,images,b.png\n4,,F,,No Finding,Axial,CT,,volumes,c.nii.gz\n"
        return example_of(cls, {"images/a.png": picture, "images/b.png": picture, "metadata.csv": table})

    def entries(self, base: Path) -> Iterator[Entry]:
        columns = ["patientid", "finding", "view", "modality", "filename"]
        times: dict[str, int] = {}
        for row in rows_of(base / "metadata.csv", columns, ["patientid", "filename"]):
            if self.modality != "all" and row["modality"] != self.modality:
                continue
            name = f"{row.get('folder') or 'images'}/{row['filename']}"
            times[name] = times.get(name, 0) + 1
            path = [each.strip() for each in str(row["finding"] or "").split("/") if each.strip()]
            view = str(row["view"])
            yield Entry(
                name=name.rsplit(".", 1)[0] + (f"+{times[name]}" if times[name] > 1 else ""),
                images={"frontal" if view in _FRONTAL else "lateral" if view == "L" else "other": name},
                patient=row["patientid"],
                labels={"finding": path[min(self.level, len(path)) - 1] if path else None},
                fields={
                    "sex": row.get("sex"),
                    "age": row.get("age"),
                    "offset_days": row.get("offset"),
                    "projection": row["view"],
                    "location": row.get("location"),
                },
            )
