"""Wrong versions that the golden tests must reject.

A mutant is a known answer's id and one edit of the source: a sign, a divisor, a missing mask. `make mutants` imports
the package with that edit in memory, runs the tests that claim the answer, and fails if they all pass. No file is
changed on disk, so mutants run beside anything else.

    python -m tests.golden [ID …]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Mutant:
    """One wrong version.

    Args:
        answer: Id of the known answer whose tests must fail.
        module: Dotted name below ``preceptor``, such as ``maths.losses``.
        old: Text that stands in that module exactly once.
        new: What stands there in the wrong version.
    """

    answer: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return SOURCE / "preceptor" / (self.module.replace(".", "/") + ".py")

    def source(self) -> str:
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.answer}: {self.old!r} stands {text.count(self.old)} times in {self.module}, not once")
        return text.replace(self.old, self.new)


MUTANTS: list[Mutant] = []

# Each block below belongs to one subject; a new method appends its own with `MUTANTS += [...]`.

# Explainers.
MUTANTS += [
    Mutant("I10.1", "maths.attribution", "return gradient.flatten(2).mean(2)", "return gradient.flatten(2).sum(2)"),
    Mutant("I10.1", "maths.attribution", 'weights, activation).relu()', 'weights, activation).abs()'),
    Mutant("I10.1", "maths.attribution", "align_corners=False)[:, 0]", "align_corners=True)[:, 0].relu()"),
    Mutant("I10.1", "prove.observing", "return kept.clone()", "return kept"),
    Mutant("I10.1", "prove.observing", "score = target(outputs).sum()", "score = target(outputs)[0]"),
    Mutant("I10.2", "maths.attribution", "gradient**3", "gradient**2"),
    Mutant("I10.2", "maths.attribution", "share * gradient.relu()", "share * gradient"),
    Mutant("I10.6", "maths.attribution", "return total / covered", "return total"),
    Mutant("I10.6", "maths.attribution", "if starts[-1] != size - width:", "if False:"),
    Mutant("I10.6", "prove.explainers.occlusion", "score - target(model(tiled)).view", "score + target(model(tiled)).view"),
    Mutant("I10.6", "prove.explainers.occlusion", '"minimum": flat.amin(2)', '"minimum": flat.amax(2)'),
]
MUTANTS += [
    Mutant("I12.5", "learn.fit", '        _restore_generators(state["generators"])\n', ""),
    Mutant("I12.5", "learn.fit", '        self.optimizer.load_state_dict(state["optimizer"])\n', ""),
    Mutant("I12.5", "learn.fit", 'self.epoch, self.position = state["epoch"], state["position"]', 'self.epoch = state["epoch"]'),
    Mutant("I12.5", "learn.fit", '        self.methods.load_state(state["methods"])\n', ""),
]

MUTANTS += [
    Mutant("I12.1", "recipe.yaml", "if isinstance(event, AliasEvent):", "if isinstance(event, AliasEvent) and path[9:]:"),
    Mutant("I12.1", "recipe.yaml", "if len(path) > MOST_DEPTH:", "if len(path) > MOST_DEPTH * 100:"),
    Mutant("I12.1", "recipe.yaml", "if self.nodes > MOST_NODES:", "if self.nodes > MOST_NODES * 100:"),
    Mutant("I12.1", "recipe.yaml", "if key in mapping:", "if key in ():"),
    Mutant("I12.1", "recipe.yaml", '"yaml_tag",', '"yaml_fine",'),
    Mutant("I12.1", "recipe.yaml", "if event.style is None and event.tag is None", "if event.tag is None"),
    Mutant("I12.1", "recipe.paths", "(folder / fixed).resolve()", "(folder / fixed)"),
    Mutant("I12.1", "recipe.values", "strict=True)", "strict=False)"),
]
