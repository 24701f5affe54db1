"""Who is behind a pseudonym: a table made from the originals and the key, for those who are allowed to hold both."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from preceptor.core.errors import CohortError, PreceptorError, RecipeError
from preceptor.core.files import write_aside

from .dicom import opened
from .profile import Settings
from .pseudonyms import Key

COLUMNS = ("patient_id", "patient_name", "pseudonym", "shift_days", "study_uid", "new_study_uid")


def write_relinking_table(source: Path, key_file: Path, table: Path, *, out: Path | None = None) -> int:
    """Write which patient and study stand behind which pseudonym and UID.

    Args:
        source: The originals; without them nothing can be linked, for nothing is stored.
        key_file: The key that was used.
        table: CSV to write, one row for a study; readable by its owner alone.
        out: Folder of the cleaned files, in which the table must not lie.

    Returns:
        How many rows it has.

    Raises:
        RecipeError: The table would lie among the cleaned files, or the key is absent.
        CohortError: No original could be read.
    """
    table = Path(table)
    if out is not None and table.resolve().is_relative_to(Path(out).resolve()):
        raise RecipeError(
            "the table that names the patients would lie among the cleaned files",
            expected="a place beside the originals",
            remedy="name another path for the table",
            code="places_mixed",
        )
    key = Key.read(key_file)
    rows: dict[tuple[str, str], tuple] = {}
    for root, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            try:
                file, _ = opened((Path(root) / name).read_bytes(), Settings(again=True), key)
            except (PreceptorError, OSError):
                continue  # what is no DICOM has no patient to link
            study = file.text(0x0020000D)
            identity = file.patient
            rows[identity, study] = (
                *(file.text(0x00100020), file.text(0x00100010)),
                *(key.pseudonym(identity), key.days(identity), study, key.uid(study) if study else ""),
            )
    if not rows:
        raise CohortError("none of the originals could be read", expected="DICOM files", code="nothing_here")
    with write_aside(table) as aside:
        aside.chmod(0o600)
        with aside.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows[each] for each in sorted(rows))
    return len(rows)
