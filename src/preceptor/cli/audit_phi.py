"""``preceptor audit-phi FOLDER --known TABLE``"""

from __future__ import annotations

from pathlib import Path

from . import console


def audit_phi(folder: Path, *, known: Path, shortest: int = 4, as_json: console.Json = False) -> int:
    """Search every byte of a folder for values that must not be in it: names, numbers, dates of birth.

    Each is looked for as it is, in other encodings, as base64 and hexadecimal, in other orders, and inside gzip, zip, tar, PDF
    and deflated DICOM. What is drawn in pixels is not read. No value is printed. Exit code 4 where something was found.

    Parameters
    ----------
    folder
        Any folder, or one file: cleaned images, a run, a bundle, logs.
    known
        CSV with a heading; every cell is a value to look for.
    shortest
        Values with fewer characters are left out, since they are found everywhere.
    """
    from preceptor import api

    found = api.audit_phi(folder, known, shortest=shortest, tell=console.bar("searching files"))
    lines = [
        f"file {number} ({shown}): {hit.name}{', ' + hit.how if hit.how else ''}, at byte {hit.at}"
        for number, shown, hit in found.leaks
    ]
    lines += [f"file {number} ({shown}): not searched, {why}" for number, shown, why in found.unsearched]
    if found.left_out:
        lines.append(f"{len(found.left_out)} values were too short to look for")
    verdict = "nothing found" if found.passed else "NOT CLEAN"
    lines.append(f"{verdict}: {found.values} values, {found.files} files, {found.bytes_searched:,} bytes")
    console.result("\n".join(lines), found.to_json(), as_json)
    return 0 if found.passed else 4
