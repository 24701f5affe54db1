"""`Predictions`, `Finding`, `Evidence`, `Verdict`: what is stored, what is measured from it, and what is decided."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import write_aside
from .plain import finite

if TYPE_CHECKING:
    import numpy as np
    import pandas


@dataclass(frozen=True)
class Question:
    """What the task asked, as plain data: all that evaluators, reports and bundles need to know of it.

    Args:
        task: Name of the task's plug-in.
        target: Name of the target in `Batch.targets`.
        classes: Names in channel order. For segmentation the first is ``background``. For regression the quantity.
        exclusive: Whether the classes exclude each other (softmax) or not (sigmoid).
        dense: Whether there is an answer per voxel.
        values: For dense answers, the value in the file that each class is written as, in the order of `classes`.
        unit: Unit of a regressed quantity, or of time.
        numbered: For dense answers of one structure: its objects are numbered in the file, and every value above 0 is
            an object of it.
        times: For survival, the ascending times at which curves are stored, in `unit`.
        follow_up: For survival, the names of the labels (or fields) that hold the time of follow-up and whether it ended
            with the event; by default ``<target>_time`` and ``<target>_event``.
    """

    task: str
    target: str
    classes: tuple[str, ...]
    exclusive: bool = True
    dense: bool = False
    values: tuple[int, ...] = ()
    unit: str = ""
    numbered: bool = False
    times: tuple[float, ...] = ()
    follow_up: tuple[str, ...] = ()

    @property
    def curve_columns(self) -> tuple[str, ...]:
        """``survival_<time>`` for each of `times`: the columns in which a survival curve is stored."""
        return tuple(f"survival_{time:.12g}" for time in self.times)

    @property
    def follow_up_columns(self) -> tuple[str, ...]:
        """Names of the time of follow-up and of whether it ended with the event."""
        return self.follow_up or (f"{self.target}_time", f"{self.target}_event")

    @property
    def is_regression(self) -> bool:
        """Whether the truth is measured rather than one of the classes: a number, a time, places or an image."""
        return self.is_number or self.task in ("survival", "localisation", "translation")

    @property
    def is_number(self) -> bool:
        """Whether truth and answer are one number each."""
        return self.task in ("regression", "counting")


@dataclass(frozen=True)
class Predictions:
    """Stored predictions: the only thing evaluators read, so anyone's model can be judged.

    Args:
        table: One row per case (and fit): ``key, patient, cluster, role, fit, output, truth, answer,
            probability_<class>, uncertainty, accepted, reasons`` and the cohort's fields. ``truth`` and ``answer`` are
            class names (multi-label: JSON ``{class: 0/1/null}``), numbers, or for dense answers the path of a map.
            Dense rows also hold ``hash`` and ``truth_path``. What other tasks store: see below.
        question: What was asked.
        folder: Folder that map paths are relative to.
        voxels: For dense answers, a keyed random sample of voxels with all probabilities and the truth:
            columns ``key, truth`` (class index) and ``probability_<class>``.
        features: ``(row, member, width)`` last features of the networks, and
        outputs: ``(row, member, channel)`` what they said before it was read as probabilities: both only while a
            safeguard that reads them is fitted, never stored.
        labels: ``(row,)`` label maps ``(*space,)`` of class indices on the prepared grid, likewise.

    What is stored for tasks whose truth is no class, by ``question.task``:

    * ``survival``: ``truth_time`` of follow-up (in ``question.unit``) and ``truth_event``, 1 where it ended with the
      event and 0 where without (NaN: unknown); ``answer``, a risk score, higher meaning sooner; ``survival_<time>``, the
      predicted share without the event at that time, where the model has curves. The cohort's training cases may hold
      ``question.follow_up_columns``: the censoring is then estimated on them.
    * ``counting`` and ``regression``: numbers in ``truth`` and ``answer``, in ``question.unit``.
    * ``localisation``: JSON lists in ``truth`` and ``answer`` of ``{"box": [low corner…, high corner…]}`` or ``{"point":
      […]}``, with ``label`` where there are several classes and ``score`` in the answer; in ``question.unit`` (``mm`` or
      ``pixels``), the same for all rows. ``[]`` says that there is nothing, None that nobody looked.
    * ``instances``: maps in ``truth_path`` and ``answer`` where every object has a number of its own, 0 the background.
    * ``translation``: images in ``truth_path`` and ``answer``, and masks in ``region_path`` where errors in a region
      count apart. ``truth_lesion`` and ``answer_lesion`` (0 or 1) say what a fixed detector, or a reader, sees in the
      source and in the translation.
    """

    table: pandas.DataFrame
    question: Question
    folder: Path
    voxels: pandas.DataFrame | None = None
    features: np.ndarray | None = None
    outputs: np.ndarray | None = None
    labels: tuple[np.ndarray, ...] | None = None

    def __len__(self) -> int:
        return len(self.table)

    def where(self, mask: Any) -> Predictions:
        """The rows where `mask` is true, and their voxels."""
        table = self.table[mask].reset_index(drop=True)
        voxels = self.voxels
        if voxels is not None:
            # After cross-validation a case is tested in one fit and calibrates another: its voxels are told apart.
            by = ["key", "fit"] if "fit" in voxels and "fit" in table else ["key"]
            kept = set(table[by].itertuples(index=False, name=None))
            mine = [row in kept for row in voxels[by].itertuples(index=False, name=None)]
            voxels = voxels[mine].reset_index(drop=True)
        features, outputs = (None if each is None else each[mask] for each in (self.features, self.outputs))
        labels = None if self.labels is None else tuple(itertools.compress(self.labels, mask))
        return replace(self, table=table, voxels=voxels, features=features, outputs=outputs, labels=labels)

    def role(self, *roles: str) -> Predictions:
        """The rows of these roles."""
        return self.where(self.table["role"].isin(roles))

    def probabilities(self) -> np.ndarray:
        """``(case, class)`` float64 from the columns ``probability_<class>``."""
        return self.table[[f"probability_{name}" for name in self.question.classes]].to_numpy(dtype=float)

    def truth_index(self) -> np.ndarray:
        """``(case,)`` class index of the truth, -1 where unlabelled (classification)."""
        return self._index("truth")

    def answer_index(self) -> np.ndarray:
        """``(case,)`` class index of the answer (classification)."""
        return self._index("answer")

    def truth_matrix(self) -> np.ndarray:
        """``(case, class)`` 0/1, NaN where unlabelled. One-hot for classification, as labelled for multi-label."""
        import numpy as np

        classes = self.question.classes
        if self.question.exclusive:
            index = self.truth_index()
            matrix = np.full((len(index), len(classes)), np.nan)
            known = index >= 0
            matrix[known] = np.eye(len(classes))[index[known]]
            return matrix
        rows = [json.loads(text) for text in self.table["truth"]]
        return np.array([[np.nan if row.get(name) is None else float(row[name]) for name in classes] for row in rows])

    def clusters(self) -> np.ndarray:
        """``(case,)`` integer id of each row's cluster (patient, or merged identity)."""
        import numpy as np

        return np.unique(self.table["cluster"].astype(str).to_numpy(), return_inverse=True)[1]

    def _index(self, column: str) -> np.ndarray:
        import numpy as np

        position = {name: index for index, name in enumerate(self.question.classes)}
        return np.array([position.get(value, -1) for value in self.table[column]], dtype=np.int64)


@dataclass(frozen=True)
class Finding:
    """One measured thing, with its interval and the definition it was measured by.

    Args:
        name: The evaluator's name, or ``evaluator.part``.
        value: The headline number; NaN where it is undefined (then a note says why).
        definition: One sentence: what is averaged over what, how empty masks and ties count.
        interval: ``(lower, upper)`` or None.
        level: Of the interval.
        method: How the interval was made ("bootstrap of patients, 2000 resamples, BCa").
        cases: How many cases entered.
        clusters: How many patients (or images, where no patient is named).
        unit: Empty for a ratio.
        higher_is_better: None where neither is.
        parts: Findings per class, per site …
        per_case: ``{key: value}`` where the measure exists per case.
        curves: ``{name: {axis: [numbers]}}`` for plots, axes in the order drawn (x, y, lower, upper).
        notes: What a reader must know to read the number right.
        bootstrap: Resampled values, kept so that two findings can be compared in pairs; not written to JSON.
    """

    name: str
    value: float
    definition: str
    interval: tuple[float, float] | None = None
    level: float = 0.95
    method: str = ""
    cases: int = 0
    clusters: int = 0
    unit: str = ""
    higher_is_better: bool | None = True
    parts: Mapping[str, Finding] = field(default_factory=dict)
    per_case: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, list]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bootstrap: Any = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        record = asdict(replace(self, parts={}, bootstrap=None))
        del record["bootstrap"]
        return finite(record | {"parts": {name: part.to_json() for name, part in self.parts.items()}})

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Finding:
        values = dict(record)
        nan_if_none = float("nan") if values["value"] is None else values["value"]
        interval = values.get("interval")
        return cls(
            **values
            | {
                "value": nan_if_none,
                "interval": None if interval is None else tuple(float("nan") if v is None else v for v in interval),
                "notes": tuple(values.get("notes", ())),
                "parts": {name: cls.from_json(part) for name, part in values.get("parts", {}).items()},
            }
        )


@dataclass(frozen=True)
class Verdict:
    """What a gate decided.

    Args:
        gate: The gate's name.
        passed: Whether it holds.
        sentence: Why, in words a reader of the report understands.
    """

    gate: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Evidence(Mapping[str, Finding]):
    """Every finding of a run by name, with the verdicts and the problems that checks reported.

    Args:
        findings: By name. ``evidence["dice.anterior"]`` reaches a part.
        verdicts: Of the recipe's gates, in order.
        problems: What the cohort's checks reported, as plain records.
        facts: Whatever else the report shows that is no measurement (roles and counts, wall time, device …), JSON.
    """

    findings: Mapping[str, Finding]
    verdicts: tuple[Verdict, ...] = ()
    problems: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Finding:
        if name in self.findings:
            return self.findings[name]
        # A finding's own name may hold a dot: external.roc, change.roc, readers.auroc.unaided.
        head = max((known for known in self.findings if name.startswith(f"{known}.")), key=len, default=None)
        if head is None:
            raise KeyError(name)
        finding, rest = self.findings[head], name[len(head) + 1 :]
        while rest:
            for part in sorted(finding.parts, key=len, reverse=True):
                if rest == part or rest.startswith(part + "."):
                    finding, rest = finding.parts[part], rest[len(part) + 1 :]
                    break
            else:
                raise KeyError(name)
        return finding

    def __iter__(self) -> Iterator[str]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def passed(self) -> bool:
        """Whether every gate holds."""
        return all(verdict.passed for verdict in self.verdicts)

    def write(self, path: Path) -> None:
        """Write as JSON, aside and renamed."""
        record = {
            "findings": {name: finding.to_json() for name, finding in self.findings.items()},
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "problems": list(self.problems),
            "facts": dict(self.facts),
        }
        with write_aside(path) as aside:
            aside.write_text(json.dumps(finite(record), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Evidence:
        return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Evidence:
        return cls(
            {name: Finding.from_json(each) for name, each in record["findings"].items()},
            tuple(Verdict(**each) for each in record["verdicts"]),
            tuple(record["problems"]),
            record["facts"],
        )
