"""CAMELYON17: five slides of each patient's lymph nodes, from five centres."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.published import Entry, Published, example_of, rows_of

_FILE = re.compile(r"^(?P<patient>patient_(?P<number>\d{3}))_node_(?P<node>\d)\.tiff?$")
_STAGES = ("negative", "itc", "micro", "macro")

#: Twenty patients a centre, in order, among the hundred of the training part.
_PATIENTS_A_CENTRE, _TRAINING_PATIENTS = 20, 100


class Camelyon17(Published):
    """CAMELYON17 as published: ``patient_000_node_0.tif`` … and ``stages.csv`` (formerly ``stage_labels.csv``).

    The table has a line for each patient (``patient_000.zip,pN0``) and for each node (``patient_000_node_0.tif,negative``).
    Slides lie below ``images/`` or below ``training/center_0/patient_000``; an XML of a slide's name somewhere in the folder
    outlines its metastases. The centre is the table's column ``center``, the folder's name, or, in the training part, follows
    from the patient's number.

    Args:
        folder: The data set's folder, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per node with the view ``slide``; the patient; the labels stage (negative, itc, micro or
    macro) and metastasis (0 or 1; isolated tumour cells count as 1); the fields site (``centre_0`` to ``centre_4``), node,
    patient_stage (pN0, pN0(i+), pN1mi, pN1 or pN2) and annotation (the path of the XML). Labels are absent where the table does
    not tell, as of the test part. Official parts are the roles train and test.

    Raises:
        CohortError: The folder or every slide is absent (``data_absent``), or the table holds an unknown stage.

    Source: Bandi et al. 2019, doi:10.1109/TMI.2018.2867350; Litjens et al. 2018, doi:10.1093/gigascience/giy065.

    Example:
        >>> [(case.patient, case.labels["stage"], case.fields["site"]) for case in Camelyon17.example().cases()]
        [('patient_021', 'micro', 'centre_1'), ('patient_021', 'negative', 'centre_1')]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Camelyon17:
        tissue = np.full((8, 8), 200, np.uint8)
        table = "patient,stage\npatient_021.zip,pN1mi\npatient_021_node_0.tif,micro\npatient_021_node_1.tif,negative\n"
        return example_of(
            cls, {**{f"images/patient_021_node_{node}.tif": tissue for node in (0, 1)}, "stages.csv": table}
        )

    def entries(self, base: Path) -> Iterator[Entry]:
        told = _stages(base)
        outlines = {path.stem: path.relative_to(base).as_posix() for path in sorted(base.rglob("patient_*_node_*.xml"))}
        slides = {path.stem: path for path in sorted(base.rglob("patient_*_node_*.tif*")) if _FILE.match(path.name)}
        for name in sorted({*slides, *(each for each in told if "_node_" in each)}):
            path = slides.get(name, base / "images" / f"{name}.tif")
            found = _FILE.match(path.name)
            if found is None:
                continue
            stage, centre = told.get(name, (None, None))
            patient_stage, patient_centre = told.get(found["patient"], (None, None))
            number = int(found["number"])
            centre = centre if centre is not None else patient_centre
            if centre is None:
                centre = _centre(path.relative_to(base), number)
            yield Entry(
                name=name,
                images={"slide": path.relative_to(base).as_posix()},
                patient=found["patient"],
                labels={
                    "stage": _known(stage),
                    "metastasis": None if stage is None else int(_known(stage) != "negative"),
                },
                fields={
                    "site": None if centre is None else f"centre_{int(centre)}",
                    "node": int(found["node"]),
                    "patient_stage": patient_stage,
                    "annotation": outlines.get(name),
                },
                role="train" if number < _TRAINING_PATIENTS else "test",
            )


def _stages(base: Path) -> dict[str, tuple[Any, Any]]:
    """``{patient or slide: (stage, centre)}``."""
    tables = [path for name in ("stages.csv", "stage_labels.csv") for path in sorted(base.rglob(name))]
    if not tables:
        return {}
    rows = rows_of(tables[0], ["patient", "stage"], ["patient"])
    return {str(row["patient"]).rsplit(".", 1)[0]: (row["stage"], row.get("center")) for row in rows}


def _centre(path: Path, number: int) -> int | None:
    named = re.search(r"cent(?:er|re)_(\d)", path.as_posix())
    if named is not None:
        return int(named[1])
    return number // _PATIENTS_A_CENTRE if number < _TRAINING_PATIENTS else None


def _known(stage: Any) -> str | None:
    if stage is None:
        return None
    if str(stage).lower() not in _STAGES:
        raise CohortError(
            "the table holds an unknown stage of a node",
            where="stages.csv",
            expected=", ".join(_STAGES),
            remedy="take the table from its source again",
            code="finding_value",
        )
    return str(stage).lower()
