"""Anyone's masks and images: a folder of truths and a folder of answers, matched by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas

from preceptor.core.errors import CohortError, safe_name
from preceptor.core.evidence import Predictions, Question
from preceptor.intake.door import read_apart
from preceptor.intake.sheet import open_table

#: What a file may end with, longest first: the rest of its name is the case.
_ENDINGS = (
    ".nii.gz",
    ".nii",
    ".mha",
    ".nrrd",
    ".ome.tif",
    ".ome.tiff",
    ".tiff",
    ".tif",
    ".png",
    ".bmp",
    ".jpeg",
    ".jpg",
    ".npy",
)

#: More values than this in the truths are numbered objects or an image, not structures.
_MOST_STRUCTURES = 64


def read_folders(
    truth: Path,
    answer: Path,
    *,
    task: Literal["segmentation", "instances", "translation"] = "segmentation",
    labels: Mapping[str, int] | None = None,
    cases: Path | None = None,
) -> Predictions:
    """Build predictions of label maps, numbered objects or images from two folders.

    A truth and an answer belong together where their file names are the same but for the ending (``case_7.nii.gz`` and
    ``case_7.png``). An answer without a truth is left out; a truth without an answer is an error.

    Args:
        truth: Folder of truths.
        answer: Folder of answers.
        task: What the files hold: the same value for each structure, a number for each object, or images.
        labels: ``{structure: value}`` for segmentation; the values found in the truths where None.
        cases: A table (``.csv``) with ``key`` (the file's name without its ending) and ``patient``, and with any
            further field; without it every image counts as a patient of its own.

    Raises:
        CohortError: A folder holds no readable file, names do not match, or the truths hold too many values.
        PrepareError: A truth can't be read.
    """
    truths, answers = _files(truth, "truths"), _files(answer, "answers")
    missing = sorted(set(truths) - set(answers))
    if not set(truths) & set(answers) or missing:
        raise CohortError(
            f"{len(missing)} of {len(truths)} truths have no answer of the same name",
            where=safe_name(Path(missing[0])) if missing else "the two folders",
            expected="an answer for every truth, under the same name but for the ending",
            remedy="rename the answers, or give a folder with those truths alone that were answered",
            code="answers_missing",
        )
    if task == "segmentation":
        values = dict(labels) if labels is not None else _found(truth, truths)
        question = Question(
            task, "truth", ("background", *values), exclusive=True, dense=True, values=(0, *values.values())
        )
    else:
        name = "object" if task == "instances" else "image"
        question = Question(task, "truth", (name,), exclusive=False, dense=True)
    table = pandas.DataFrame(
        {
            "key": list(truths),
            "patient": None,
            "role": "test",
            "fit": "0",
            "output": "answer",
            "truth": None,
            "answer": [str((answer / answers[key]).resolve()) for key in truths],
            "truth_path": [str((truth / name).resolve()) for name in truths.values()],
            "uncertainty": float("nan"),
            "accepted": True,
            "reasons": "",
        }
    )
    table = table if cases is None else _described(table, cases)
    named = table["patient"].notna().all()
    return Predictions(table.assign(cluster=table["patient"] if named else table["key"]), question, answer)


def _files(folder: Path, what: str) -> dict[str, str]:
    """``{case: file}``, sorted."""
    if not folder.is_dir():
        raise CohortError(f"the folder of {what} is not there", where=safe_name(folder), code="folder_absent")
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        ending = next((each for each in _ENDINGS if path.name.lower().endswith(each)), None)
        if ending is None or not path.is_file():
            continue
        key = path.name[: -len(ending)]
        if key in found:
            raise CohortError(f"two {what} have one name but for the ending", where=safe_name(path), code="name_twice")
        found[key] = path.name
    if not found:
        raise CohortError(
            f"the folder of {what} holds no image",
            where=safe_name(folder),
            expected=f"files that end with one of {', '.join(_ENDINGS)}",
            code="folder_empty",
        )
    return found


def _found(folder: Path, truths: Mapping[str, str]) -> dict[str, int]:
    """The values other than 0 in the truths, named after themselves; "structure" where there is one."""
    values: set[int] = set()
    for name in truths.values():
        values |= {int(each) for each in np.unique(read_apart(folder, name, is_label=True).array)}
        if len(values) > _MOST_STRUCTURES:
            raise CohortError(
                f"the truths hold more than {_MOST_STRUCTURES} values",
                where=safe_name(folder),
                expected="one value for each structure",
                remedy="say task instances if every object has a number of its own, translation if they are images",
                code="too_many_structures",
            )
    structures = sorted(values - {0})
    if not structures:
        raise CohortError("no truth holds anything but background", where=safe_name(folder), code="truths_empty")
    if len(structures) == 1:
        return {"structure": structures[0]}
    return {f"structure {value}": value for value in structures}


def _described(table: pandas.DataFrame, cases: Path) -> pandas.DataFrame:
    """The table with the patient and the fields of each case."""
    described = open_table(cases, dtype={"key": str, "patient": str})
    if "key" not in described or described["key"].duplicated().any():
        raise CohortError(
            "the table of cases has no column 'key', or a key twice", where=cases.name, code="cases_columns"
        )
    absent = ~table["key"].isin(described["key"])
    if absent.any():
        raise CohortError(
            f"{int(absent.sum())} of {len(table)} images are not in the table of cases",
            where=cases.name,
            expected="a row for every image; key is the file's name without its ending",
            code="cases_absent",
        )
    renamed = {name: f"field:{name}" for name in described if name not in ("key", "patient")}
    kept = table.drop(columns="patient") if "patient" in described else table
    return kept.merge(described.rename(columns=renamed), on="key", how="left")
