"""`Trust`: what an explainer's maps were held against, check by check, and whether they may be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from preceptor.core.files import write_aside
from preceptor.core.plain import finite

#: Spearman's similarity above which a map is called the same as another (known answers of the sanity checks).
SAME = 0.6
#: Below it a map does not hold under noise too small to see.
STEADY = 0.5
#: Below it two trainings that answer alike explain themselves differently.
AGREEING = 0.3
#: A map's energy in the region must be so many times what an even map would have there.
INSIDE = 1.5
#: How often a map of nothing may beat a random order in as many cases as a map that passes does.
CHANCE = 0.05


@dataclass(frozen=True)
class Check:
    """One check of one explainer.

    Args:
        name: ``layers``, ``each_layer``, ``labels``, ``edges``, ``region``, ``removal``, ``noise``, ``seeds``,
            ``right_and_wrong``.
        value: The number it rests on; NaN where it could not be made.
        passed: None where it is reported and not judged, or could not be made.
        sentence: What was found, in words.
        numbers: Further numbers by name.
    """

    name: str
    value: float
    passed: bool | None
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trust:
    """What is known of one explainer's maps for one model.

    Args:
        explainer: Its name in the recipe.
        checks: By name.
        cases: How many cases it was checked on.
        seconds: How long that took.
        is_control: Whether it is known to explain nothing, as the edge detector is.
    """

    explainer: str
    checks: Mapping[str, Check]
    cases: int
    seconds: float
    is_control: bool = False

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that it failed."""
        return tuple(name for name, check in self.checks.items() if check.passed is False)

    @property
    def passed(self) -> bool:
        """Whether it failed none, and the one that counts most, replacing layers, was made."""
        layers = self.checks.get("layers")
        return not self.failed and layers is not None and layers.passed is True

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.is_control:
            if self.explainer != "edges":
                told = f"{' and '.join(self.failed)} caught it." if self.failed else "NO CHECK CAUGHT IT."
                return f"Control: a map that explains nothing. {told}"
            caught = "layers" in self.failed
            return "Control: an edge detector knows nothing of the model. " + (
                "The check of replaced layers caught it." if caught else "THE CHECK DID NOT CATCH IT."
            )
        if self.passed:
            judged = sum(check.passed is not None for check in self.checks.values())
            return f"Passed all {judged} checks that could be made, on {self.cases} cases."
        if not self.failed:
            return "Not checked against replaced layers: nothing is known of it."
        reasons = " ".join(self.checks[name].sentence for name in self.failed)
        return f"FAILED {len(self.failed)} of its checks; never read it alone. {reasons}"


@dataclass(frozen=True)
class TrustReport:
    """The trust of every explainer of a run.

    Args:
        explainers: By name; the edge detector, which is always a control, under ``edges``.
        cases: Keys of the cases that were used.
        seconds: How long all of it took.
        notes: What limits it.
    """

    explainers: Mapping[str, Trust]
    cases: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Trust:
        return self.explainers[name]

    @property
    def failing(self) -> tuple[str, ...]:
        """Explainers that failed, the control aside."""
        return tuple(name for name, each in self.explainers.items() if each.failed and not each.is_control)

    def write(self, path: Path) -> None:
        """Write as JSON, aside and renamed."""
        record = {
            "explainers": {name: asdict(each) for name, each in self.explainers.items()},
            "cases": list(self.cases),
            "seconds": self.seconds,
            "notes": list(self.notes),
        }
        with write_aside(path) as aside:
            aside.write_text(json.dumps(finite(record), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TrustReport:
        """Read what `write` wrote."""
        record = json.loads(path.read_text(encoding="utf-8"))
        explainers = {}
        for name, each in record["explainers"].items():
            checks = {
                key: Check(**{**check, "value": _number(check["value"]), "numbers": _numbers(check["numbers"])})
                for key, check in each["checks"].items()
            }
            explainers[name] = Trust(**{**each, "checks": checks})
        return cls(explainers, tuple(record["cases"]), record["seconds"], tuple(record["notes"]))


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    return {name: _number(value) for name, value in record.items()}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
