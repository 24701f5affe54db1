"""How well the agreement of a small ensemble's members foretells the Dice of its answers, on the hippocampus.

    python -m benchmarks.member_agreement FOLDER

Trains three small U-Nets for five epochs each on the split of recipes/hippocampus.yaml (some four minutes of one core), and
prints the row of docs/results/reverse_classification.md. The settings were fixed before any result was seen, by the
time they take.
"""

from __future__ import annotations

import sys
from pathlib import Path

from preceptor import api
from preceptor.runs import Run

RECIPE = Path(__file__).parents[1] / "recipes" / "hippocampus.yaml"
SMALL = (
    "study=hippocampus_ensemble",
    "strategy={ensemble: {members: 3}}",
    "network={unet: {channels: [8, 16, 32]}}",
    "augment=[{flip: {axes: [left-right], chance: 0.5}}]",
    "methods=[]",
    "train.epochs=5",
    "train.schedule={cosine: {warmup_epochs: 0}}",
    "train.precision='32'",
    "train.tune_every=5",
    "safeguards=[member_agreement]",
    "evaluate=[{dice: {}}, {predicted_quality: {part: member_agreement}}, {risk_coverage: {}}]",
    "explain=[]",
    "gates=[]",
)


def told(run: Run) -> str:
    """The ensemble and its members, and how agreement goes with the real Dice of the undamaged test answers."""
    evidence = run.evidence
    members = evidence["members.dice"]
    alone = [part.value for name, part in members.parts.items() if name.startswith("member ")]
    quality = evidence["predicted_quality"]
    curve = quality.curves["agreement"]
    real, foretold = curve["real"], curve["foretold"]
    lines = [
        f"ensemble Dice {evidence['dice'].value:.3f} {evidence['dice'].interval}",
        f"members alone {min(alone):.3f} to {max(alone):.3f}, sd {members.parts['deviation'].value:.4f}",
        f"real Dice of {len(real)} test cases {min(real):.3f} to {max(real):.3f}",
        f"agreement {min(foretold):.3f} to {max(foretold):.3f}",
        f"r {quality.value:.3f} {quality.interval}",
        *(f"  {name} {part.value:.3f} {part.interval}" for name, part in quality.parts.items()),
    ]
    return "\n".join(lines)


def main(folder: Path) -> None:
    print(told(api.run(RECIPE, folder, set=SMALL)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
