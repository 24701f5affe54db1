"""``preceptor deidentify IN OUT --key FILE``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from . import console


def deidentify(
    source: Path,
    out: Path,
    *,
    key: Path,
    profile: Literal["basic", "safe-list"] = "basic",
    retain: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    keep: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    workers: int | None = None,
    again: Annotated[bool, Parameter(negative="")] = False,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    relink: Path | None = None,
    review: Path | None = None,
    as_json: console.Json = False,
) -> int:
    """Write every file of a folder anew without its patient (DICOM PS3.15), or refuse it.

    Names of files and folders are replaced as well, and OUT/manifest.jsonl tells what was done to each file. The same key
    gives the same patient the same pseudonym in every batch. Exit code 3 where files were refused.

    Parameters
    ----------
    source
        A folder with DICOM, NIfTI, slides, clips and JSON sidecars, or one file. It is only read.
    out
        A folder that is empty, or that this command began.
    key
        A file with 16 bytes or more, outside of OUT: head -c 32 /dev/urandom | base64 > key.txt
    profile
        basic is the standard's; safe-list keeps only what is named.
    retain
        Options of the profile: descriptors, graphics, structured-content, full-dates, modified-dates,
        patient-characteristics, device, uids, safe-private, institution, pixel-data; may be repeated.
    keep
        With safe-list: the keywords to keep, in place of the package's own list; may be repeated.
    workers
        Processes; by default one for every core.
    again
        Also take files that say they are de-identified already.
    fresh
        Start anew where a batch lies.
    relink
        Write a CSV that tells who is behind each pseudonym, for those who may know; never inside OUT.
    review
        Write an HTML sheet of what a person has to look at, series by series: pixels that nobody searched for writing,
        faces that could be rebuilt. It shows pseudonyms alone.
    """
    from preceptor import api

    tell = None if as_json else lambda outcome: print(outcome.line(), flush=True)
    report = api.deidentify(
        source,
        out,
        key=key,
        profile=profile,
        retain=retain,
        keep=keep,
        workers=workers,
        again=again,
        fresh=fresh,
        relink=relink,
        review=review,
        tell=tell,
    )
    states = ", ".join(f"{number} {state}" for state, number in sorted(report.states.items()))
    sentence = f"{states}; {report.patients} pseudonyms"
    if report.flagged:
        sentence += f"; {len(report.flagged)} files to look at"
    if as_json:
        console.result(sentence, report.to_json(), as_json)
    else:
        console.say(sentence)
        if report.not_searched:
            wanted = "" if "pixel-data" in retain else " (--retain pixel-data does)"
            console.say(f"in {report.not_searched} images nobody searched the pixels for writing{wanted}")
        console.say(f"review: {review}" if review else "next: --review sheet.html lists what to look at")
        console.say(
            f"next: `preceptor audit-phi {out} --known TABLE.csv` searches it for what you know of the patients"
        )
    return 3 if report.refused else 0
