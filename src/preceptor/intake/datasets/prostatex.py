"""PROSTATEx: magnetic resonance images of the prostate with findings, their place, zone and significance."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.dicom.file import read_header
from preceptor.intake.dicom.planes import planes
from preceptor.intake.dicom.stack import stack
from preceptor.intake.published import Entry, Published, example_of, rows_of
from preceptor.intake.synthesis.phantom_dicom import write_mr_series

View = Literal["t2", "t2_sagittal", "t2_coronal", "adc", "high_b", "ktrans"]

_PATIENT = re.compile(r"ProstateX-\d{4}")
#: What the descriptions of series hold, in capitals.
_KINDS = (
    ("adc", re.compile(r"ADC$")),
    ("high_b", re.compile(r"BVAL$")),
    ("t2_sagittal", re.compile(r"^T2.*SAG")),
    ("t2_coronal", re.compile(r"^T2.*COR")),
    ("t2", re.compile(r"^T2.*TRA")),
)
_ZONES = {"PZ": "peripheral", "TZ": "transition", "AS": "anterior_stroma", "SV": "seminal_vesicle"}


class Prostatex(Published):
    """PROSTATEx as published: DICOM in ``ProstateX-0000/STUDY/SERIES``, findings in ``ProstateX-Findings-Train.csv``.

    The tables (``ProstateX-Findings-Train.csv``, ``-Test.csv``, ``ProstateX-Images-Train.csv`` …) and the maps of Ktrans
    (``ProstateX-0000-Ktrans.mhd``) may lie anywhere in the folder. Series are told by their description and number, not by their
    folders' names, which differ between releases. Where a kind was taken twice, the series that the table of images lists
    is used, and of several of them the last.

    Args:
        folder: The data set's folder, seen from the recipe.
        unit: What a case is: a ``finding``, which the challenge asks about, or a ``patient``.
        views: Which images to take; the first that is there is the one whose voxels places are told in.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per finding with the point ``finding``, the label significant (0 or 1; absent in the test
    part) and the field zone (peripheral, transition, anterior_stroma, seminal_vesicle); or one per patient with the points
    significant, insignificant and (test part) unjudged, and the label significant of its worst finding. Places are brought from
    millimetres to the voxels of the first view. Official parts are the roles train and test.

    Raises:
        CohortError: The folder, the tables or every image is absent (``data_absent``), or a place or a zone is none.
        PrepareError: The series that places are told in makes no volume for certain.

    Source: Litjens et al. 2014, doi:10.1109/TMI.2014.2303821; Armato et al. 2018, doi:10.1117/1.JMI.5.4.044501.

    Example:
        >>> [(case.points["finding"], case.labels, case.fields["zone"]) for case in Prostatex.example().cases()]
        [([[2.0, 3.0, 1.0]], {'significant': 1}, 'peripheral')]
    """

    def __init__(
        self,
        folder: str = ".",
        unit: Literal["finding", "patient"] = "finding",
        views: list[View] | None = None,
        keep_names: bool = False,
        root: Path = Path(),
    ) -> None:
        self.folder, self.unit, self.views = folder, unit, views
        self.keep_names, self.root = keep_names, Path(root)
        self.exclusions = []
        self.notes: list[str] = []

    @classmethod
    def example(cls) -> Prostatex:
        tables = {
            "ProstateX-Findings-Train.csv": "ProxID,fid,pos,zone,ClinSig\nProstateX-0000,1,-1 -1 2,PZ,TRUE\n",
            "ProstateX-Images-Train.csv": "ProxID,Name,fid,pos,ijk,DCMSerDescr,DCMSerNum\n"
            "ProstateX-0000,tra,1,-1 -1 2,2 3 1,t2_tse_tra,1\n",
        }
        made = example_of(cls, {f"lesion-information/{name}": text for name, text in tables.items()})
        place = made.cohort_root / "PROSTATEx/ProstateX-0000/study/1-t2tsetra"
        place.mkdir(parents=True)
        about = {
            "patient": "ProstateX-0000",
            "study": "1",
            "series": "t2_tse_tra",
            "site": "none",
            "sex": "M",
            "age": 60,
        }
        grey = np.arange(4 * 5 * 3, dtype=np.uint16).reshape(4, 5, 3)
        write_mr_series(place, grey, np.diag([1.0, 1.0, 2.0, 1.0]), about)
        return made

    def entries(self, base: Path) -> Iterator[Entry]:
        self.notes = []
        series = _series(base)
        listed = _listed(base)
        wanted = self.views or ["t2", "adc", "high_b", "ktrans"]
        ktrans = {path.name[:14]: path.relative_to(base).as_posix() for path in sorted(base.rglob("*-Ktrans.mhd"))}
        repeated: Counter[str] = Counter()
        for patient, role, findings in _findings(base):
            found = _chosen(series.get(patient, {}), listed.get(patient, set()), repeated)
            images: dict[str, str] = {view: path.relative_to(base).as_posix() for view, path in found.items()}
            if patient in ktrans:
                images["ktrans"] = ktrans[patient]
            images = {str(view): images[view] for view in wanted if view in images}
            first = next((found[view] for view in images if view in found), None)
            affine_mm = None if first is None else _affine_mm(first)
            places = [_voxels(each["pos"], affine_mm) for each in findings]
            yield from self._cases(patient, role, findings, places, images)
        if repeated:
            told = ", ".join(f"{count} of {kind}" for kind, count in sorted(repeated.items()))
            self.notes.append(f"series that were taken again are left out: {told}")

    def _cases(
        self, patient: str, role: str, findings: list[Mapping[str, Any]], places: list[Any], images: dict[str, str]
    ) -> Iterator[Entry]:
        images = images or {"t2": f"{patient}/t2"}  # names what is not there, so that it is counted
        if self.unit == "patient":
            points: dict[str, list[Any]] = defaultdict(list)
            for finding, place in zip(findings, places, strict=True):
                name = {1: "significant", 0: "insignificant", None: "unjudged"}[_significant(finding)]
                points[name] += [place] if place is not None else []
            worst = max((each for each in map(_significant, findings) if each is not None), default=None)
            yield Entry(patient, images, patient, labels={"significant": worst}, role=role, points=points)
            return
        for finding, place in zip(findings, places, strict=True):
            yield Entry(
                name=f"{patient}-{finding['fid']}",
                images=images,
                patient=patient,
                labels={"significant": _significant(finding)},
                fields={"zone": _zone(finding)},
                role=role,
                points={} if place is None else {"finding": [place]},
            )


def _series(base: Path) -> dict[str, dict[str, list[tuple[int, str, Path]]]]:
    """``{patient: {kind: [(number, description, folder)]}}`` from one header of each folder of files."""
    found: dict[str, dict[str, list[tuple[int, str, Path]]]] = defaultdict(lambda: defaultdict(list))
    for folder in sorted({path.parent for path in base.rglob("*.dcm")}):
        patient = next((part for part in folder.relative_to(base).parts if _PATIENT.fullmatch(part)), None)
        if patient is None:
            continue
        header = read_header(min(folder.glob("*.dcm")))
        told = str(header.get("SeriesDescription") or "")
        kind = next((kind for kind, shape in _KINDS if shape.search(told.upper())), None)
        if kind is not None:
            found[patient][kind].append((int(header.get("SeriesNumber") or 0), told, folder))
    return found


def _listed(base: Path) -> dict[str, set[tuple[str, int]]]:
    """``{patient: {(description, number)}}`` of the series that findings are told in."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for part in ("Train", "Test"):
        for path in sorted(base.rglob(f"ProstateX-Images-{part}.csv"))[:1]:
            for row in rows_of(path, ["ProxID", "DCMSerDescr", "DCMSerNum"], ["ProxID", "DCMSerDescr"]):
                found[str(row["ProxID"])].add((str(row["DCMSerDescr"]), int(row["DCMSerNum"])))
    return found


def _chosen(
    series: Mapping[str, list[tuple[int, str, Path]]], listed: set[tuple[str, int]], repeated: Counter[str]
) -> dict[str, Path]:
    chosen = {}
    for kind, several in series.items():
        named = [each for each in several if (each[1], each[0]) in listed] or several
        chosen[kind] = max(named)[2]
        if len(several) > 1:
            repeated[kind] += len(several) - 1
    return chosen


def _findings(base: Path) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """Patient, role and findings, in the order of the tables."""
    people: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    there = False
    for part, role in (("Train", "train"), ("Test", "test")):
        for path in sorted(base.rglob(f"ProstateX-Findings-{part}.csv"))[:1]:
            there = True
            needed = ["ProxID", "fid", "pos", "zone", *(["ClinSig"] if part == "Train" else [])]
            for row in rows_of(path, needed, ["ProxID", "pos"]):
                people[str(row["ProxID"]), role].append(row)
    if not there:
        raise CohortError(
            "the table of findings is not here",
            where="ProstateX-Findings-Train.csv",
            expected="the tables of PROSTATEx somewhere in the folder",
            remedy="fetch the lesion information beside the images",
            code="data_absent",
        )
    for (patient, role), findings in people.items():
        yield patient, role, findings


def _significant(finding: Mapping[str, Any]) -> int | None:
    value = finding.get("ClinSig")
    return None if value is None else int(str(value).strip().upper() in ("TRUE", "1"))


def _zone(finding: Mapping[str, Any]) -> str:
    zone = str(finding["zone"]).strip().upper()
    if zone not in _ZONES:
        raise _strange("a finding lies in an unknown zone", ", ".join(_ZONES))
    return _ZONES[zone]


def _affine_mm(folder: Path) -> np.ndarray:
    """From voxels of a series to RAS+ millimetres, by its headers alone."""
    paths = sorted(folder.glob("*.dcm"))
    found = [plane for number, path in enumerate(paths) for plane in planes(read_header(path), number, path)]
    return stack([plane.placement for plane in found if plane.placement is not None]).affine_mm


def _voxels(told: Any, affine_mm: np.ndarray | None) -> list[float] | None:
    """A place in millimetres of DICOM's frame (to the left, back and up) as voxels; None where there is no image."""
    try:
        left, back, up = (float(each) for each in str(told).split())
    except ValueError:
        raise _strange("the place of a finding is none", "x y z in millimetres") from None
    if affine_mm is None:
        return None
    voxel = np.linalg.solve(affine_mm, [-left, -back, up, 1.0])[:3]
    return [round(float(each), 3) for each in voxel]


def _strange(what: str, expected: str) -> CohortError:
    return CohortError(
        what,
        where="ProstateX-Findings",
        expected=expected,
        remedy="take the table from its source again",
        code="finding_value",
    )
