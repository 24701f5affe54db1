"""What a hospital sends: found, cleaned of the patient, converted, tabulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import RecipeError

if TYPE_CHECKING:
    from ..intake.burned_in.picture_cleaning import CleanedFile
    from ..intake.deidentify.leak_audit import LeakAudit
    from ..intake.deidentify.outcome import Report
    from ..intake.dicom.scanning import Row, Scan
    from ..intake.reports.labelling import Labelling


def scan(
    source: str | Path,
    out: str | Path | None = None,
    *,
    pixels: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> Scan:
    """Every DICOM series of a folder, a DICOMDIR or a zip archive: taken, split or refused, and why.

    Args:
        source: The folder or file. Nothing in it is changed.
        out: ``.csv`` or ``.parquet`` to write the rows to; their column ``source`` holds file names.
        pixels: Decode every image too.
        tell: Is told how many of how many series are done.

    Raises:
        CohortError: The source is absent or a damaged archive, or the table exists already.
    """
    from ..intake.dicom.scanning import scan as scan_folder
    from ..intake.tables import refuse_existing, write_rows
    from ..intake.unpacking import unpacked

    if out is not None:
        refuse_existing(Path(out))
    with unpacked(Path(source)) as place:
        found = scan_folder(place, pixels=pixels, tell=tell)
    if out is not None:
        write_rows(Path(out), [row.record() for row in found.rows])
    return found


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    key: str | Path,
    profile: Literal["basic", "safe-list"] = "basic",
    retain: Sequence[str] = (),
    keep: Sequence[str] = (),
    workers: int | None = None,
    again: bool = False,
    fresh: bool = False,
    relink: str | Path | None = None,
    review: str | Path | None = None,
    tell: Callable[[Any], None] | None = None,
) -> Report:
    """Write every file of a folder anew without its patient, or refuse it; see `preceptor.intake.deidentify.folder`.

    Args:
        source: A folder, a zip archive or one file. Nothing in it is changed.
        out: A folder that is empty, or that this function began.
        key: A file with 16 bytes or more, outside of `out`.
        profile: ``basic`` is DICOM PS3.15's; ``safe-list`` keeps only what is named.
        retain: Options of the profile.
        keep: With ``safe-list`` the keywords to keep, in place of the package's own.
        workers: Processes; by default one for every core.
        again: Also take files that say they are de-identified already.
        fresh: Start anew where a batch lies.
        relink: CSV to write that tells who is behind each pseudonym.
        review: HTML to write that lists what a person has to look at, series by series.
        tell: Called with each file's outcome.

    Raises:
        RecipeError: An option or a keyword is unknown, the key is absent, or folders lie inside one another.
        CohortError: There is nothing to clean, or `out` holds something else.
    """
    from ..intake.deidentify.folder import deidentify_folder
    from ..intake.deidentify.profile import Settings
    from ..intake.deidentify.relinking import write_relinking_table
    from ..intake.deidentify.review import write_series_sheet
    from ..intake.unpacking import unpacked

    settings = Settings(profile, tuple(retain), tuple(keep), again)
    with unpacked(Path(source)) as place:
        if relink is not None:
            write_relinking_table(place, Path(key), Path(relink), out=Path(out))
        report = deidentify_folder(place, Path(out), settings, Path(key), workers=workers, fresh=fresh, tell=tell)
    if review is not None:
        write_series_sheet(report.series, Path(review))
    return report


def audit_phi(
    folder: str | Path, known: str | Path, *, shortest: int = 4, tell: Callable[[int, int], None] | None = None
) -> LeakAudit:
    """Search every byte of a folder for values that must not be in it; see `preceptor.intake.deidentify.leak_audit`.

    Args:
        folder: Any folder, or one file.
        known: CSV with a heading; every cell is a value to look for.
        shortest: Values with fewer characters are left out.
        tell: Is told how many of how many files are done.

    Raises:
        CohortError: The folder or the table is absent.
    """
    from ..intake.deidentify.leak_audit import audit_folder, read_known

    return audit_folder(Path(folder), read_known(Path(known)), shortest=shortest, tell=tell)


def convert(
    source: str | Path,
    out: str | Path,
    *,
    untilt: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Write the DICOM series of a folder, a DICOMDIR, a zip archive or one file as NIfTI, and a table of them.

    Args:
        source: Nothing in it is changed.
        out: The folder of the files and of ``conversion.csv``.
        untilt: Move the slices of a tilted gantry onto one grid instead of refusing them.
        tell: Is told how many of how many images are done.

    Returns:
        A row for each image, written or refused with its reason.

    Raises:
        CohortError: The source is absent, or a damaged archive.
    """
    from ..intake.dicom.converting import convert as convert_folder
    from ..intake.unpacking import unpacked

    with unpacked(Path(source)) as place:
        return convert_folder(place, Path(out), tell, untilt=untilt)


def tags(
    source: str | Path,
    out: str | Path | None = None,
    *,
    level: Literal["series", "file"] = "series",
    tell: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """What the DICOM headers of a folder, a DICOMDIR, a zip archive or one file say, units in the names of the columns.

    Args:
        source: Nothing in it is changed.
        out: ``.csv`` or ``.parquet`` to write the rows to.
        level: A row for each series, or for each file.
        tell: Is told how many of how many series are done.

    Raises:
        CohortError: The source is absent or a damaged archive, or the table exists already.
    """
    from ..intake.tables import refuse_existing, write_rows
    from ..intake.tags.table import tag_rows
    from ..intake.unpacking import unpacked

    if out is not None:
        refuse_existing(Path(out))
    with unpacked(Path(source)) as place:
        rows = tag_rows(place, level, tell)
    if out is not None:
        write_rows(Path(out), rows)
    return rows


def label_reports(
    table: str | Path,
    column: str,
    out: str | Path,
    *,
    key: str | None = None,
    findings: str | Path | None = None,
    review: int = 0,
    seed: int = 0,
) -> Labelling:
    """Label findings from the text of reports by rules, and tell from a sample read again how often they are wrong.

    Args:
        table: ``.csv``, ``.tsv`` or ``.parquet`` with a report a row.
        column: Of the reports' text.
        out: ``.csv`` for the labels: 1 present, 0 absent, -1 uncertain, empty not mentioned.
        key: Column that names each report; by default its number.
        findings: YAML or JSON ``{finding: [phrases]}``; by default findings of chest radiographs, in English.
        review: Reports of each finding and verdict that a reader is asked of, in ``OUT-review.csv``, which holds their
            text. Where that sheet lies already, it is read.
        seed: Of the draw.

    Returns:
        ``.labelled``, and where there is a sheet ``.sheet``, ``.questions``, ``.still_open`` and ``.errors``.

    Raises:
        CohortError: A column is missing, the output holds something else, or an answer can't be read.
    """
    from ..intake.reports.labelling import label_reports as label

    given = None if findings is None else Path(findings)
    return label(Path(table), column, Path(out), key=key, findings=given, review=review, seed=seed)


def clean_pixels(
    source: str | Path,
    target: str | Path,
    *,
    review: str | Path | None = None,
    modality: str = "",
    fill: Literal["black", "local"] = "black",
    tell: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[CleanedFile]:
    """Mask what is written in the pixels of images, into copies.

    Args:
        source: A folder of DICOM, PNG, JPEG, BMP or NIfTI files, or one file; nothing in it is changed.
        target: Folder for the copies, which lies outside `source`.
        review: A sheet to write, HTML, on which a person signs what was masked.
        modality: Of files that do not say, as DICOM names it.
        fill: ``black``, or ``local`` for the median of what surrounds each masked part.
        tell: Called with a line for each file that is left out.
        progress: Called with how many files are done, and how many there are.

    Returns:
        A record for each file, those that were left out among them.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
        RecipeError: There is no such source, or the target lies in it.
    """
    from ..core.errors import safe_name
    from ..intake.burned_in.picture_cleaning import clean_folder
    from ..intake.burned_in.review_sheet import write_review_sheet

    source, target = Path(source), Path(target)
    inside = source.is_dir() and target.resolve().is_relative_to(source.resolve())
    if not source.exists() or inside:
        raise RecipeError(
            "the cleaned copies would lie among the originals" if inside else "there is no such file or folder",
            where=safe_name(target if inside else source),
            expected="a folder of images, and another folder for the copies",
            code="target_inside" if inside else "source_missing",
        )
    done = []
    for each in clean_folder(source, target, modality=modality, fill=fill, progress=progress):
        done.append(each)
        if tell is not None and each.problem is not None:
            tell(f"left out {safe_name(each.source)}: {each.problem.what}")
    if review is not None:
        found = [(str(each.source), each.findings) for each in done if each.findings is not None]
        write_review_sheet(found, Path(review))
    return done
