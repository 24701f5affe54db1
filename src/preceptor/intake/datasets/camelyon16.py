"""CAMELYON16: slides of lymph nodes, with the metastases outlined."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.published import Entry, Published, example_of

_FILE = re.compile(r"^(?P<kind>normal|tumor|test)_(?P<number>\d{3})\.tiff?$", re.IGNORECASE)

#: Not every metastasis is outlined, or one of two sections alone.
_PARTLY_OUTLINED = frozenset(
    f"tumor_{number:03}" for number in (10, 15, 18, 20, 25, 29, 33, 34, 44, 46, 51, 54, 55, 56, 67, 79, 85, 92, 95, 110)
) | {"test_114"}

#: Shown twice among the test slides.
_REPEATED = ("test_049",)

#: The first slides of each kind are Radboud's, the others Utrecht's.
_OF_RADBOUD = {"normal": 100, "tumor": 70}


class Camelyon16(Published):
    """CAMELYON16 as published, 399 or 400 slides of sentinel lymph nodes, in any of its layouts.

    Slides are called ``normal_001.tif``, ``tumor_001.tif`` and ``test_001.tif``, below ``images/`` or below
    ``training/normal``, ``training/tumor`` and ``testing/images``. What is said of the test slides stands in a ``reference.csv``,
    and each slide with metastases has an XML of its name somewhere in the folder (``annotations/``,
    ``lesion_annotations/``), which `preceptor annotations` reads.

    Args:
        folder: The data set's folder, seen from the recipe.
        keep_names: Whether keys are the published names.

    Returns (``cases``): One `Case` per slide with the view ``slide``; the label metastasis (0 or 1, absent for a test slide
    without its reference); the fields site (radboud or utrecht; not told of test slides), annotation (the path of the XML) and
    outlined (``partly`` where the outlines are known to leave metastases out); the official parts as the roles train and test.
    The patient is not published: splits and intervals are by slide. The test slide 049, which repeats another, is left out.

    Raises:
        CohortError: The folder or every slide is absent (``data_absent``), or the reference holds another word than Normal
            and Tumor.

    Source: Ehteshami Bejnordi et al. 2017, doi:10.1001/jama.2017.14585; Litjens et al. 2018, doi:10.1093/gigascience/giy065;
    the read-me file of the data set for slides that are partly outlined.

    Example:
        >>> [(case.labels["metastasis"], case.role) for case in Camelyon16.example().cases()]
        [(0, 'train'), (1, 'test'), (1, 'train')]
    """

    def __init__(self, folder: str = ".", keep_names: bool = False, root: Path = Path()) -> None:
        self.folder, self.keep_names, self.root = folder, keep_names, Path(root)
        self.exclusions = []

    @classmethod
    def example(cls) -> Camelyon16:
        tissue = np.full((8, 8), 200, np.uint8)
        outline = "".join(f'<Coordinate Order="{n}" X="{n % 2}" Y="{n}"/>' for n in range(3))
        told = f'<Annotation Type="Polygon" PartOfGroup="_0"><Coordinates>{outline}</Coordinates></Annotation>'
        names = ("training/normal/normal_001", "training/tumor/tumor_071", "testing/images/test_001")
        return example_of(
            cls,
            {
                **{f"{name}.tif": tissue for name in names},
                "training/lesion_annotations/tumor_071.xml": f"<ASAP_Annotations>{told}</ASAP_Annotations>",
                "testing/reference.csv": "test_001,Tumor,IDC,Macro\n",
            },
        )

    def entries(self, base: Path) -> Iterator[Entry]:
        slides: dict[str, tuple[str, int, Path]] = {}
        for path in sorted(base.rglob("*.tif*")):
            found = _FILE.match(path.name)
            if found is not None:
                slides.setdefault(path.stem.lower(), (found["kind"].lower(), int(found["number"]), path))
        outlines = {path.stem.lower(): path.relative_to(base).as_posix() for path in sorted(base.rglob("*.xml"))}
        reference = _reference(base)
        for name, (kind, number, path) in sorted(slides.items()):
            if name in _REPEATED:
                self.exclusions.append(("repeats another slide (test_049)", 1))
                continue
            label = reference.get(name) if kind == "test" else int(kind == "tumor")
            first = _OF_RADBOUD.get(kind)
            yield Entry(
                name=name,
                images={"slide": path.relative_to(base).as_posix()},
                labels={"metastasis": label},
                fields={
                    "site": None if first is None else "radboud" if number <= first else "utrecht",
                    "annotation": outlines.get(name),
                    "outlined": "partly" if name in _PARTLY_OUTLINED else None,
                },
                role="test" if kind == "test" else "train",
            )


def _reference(base: Path) -> dict[str, int]:
    """What is said of the test slides; the table has no heading in one release, and one in another."""
    known = {"normal": 0, "tumor": 1}
    found = {}
    for path in sorted(base.rglob("reference.csv"))[:1]:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for row in csv.reader(stream):
                name = row[0].strip().lower().removesuffix(".tif") if row else ""
                if not name.startswith("test_"):
                    continue
                word = row[1].strip().lower() if len(row) > 1 else ""
                if word not in known:
                    raise CohortError(
                        "the reference says neither Normal nor Tumor of a slide",
                        where=path.name,
                        expected="test_001,Tumor,…",
                        remedy="take the table from its source again",
                        code="finding_value",
                    )
                found[name] = known[word]
    return found
