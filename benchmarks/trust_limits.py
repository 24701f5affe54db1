"""How often the trust report errs at its limits: good maps that fail a check, and maps of nothing that pass it.

    python -m benchmarks.trust_limits FOLDER_OF_PNEUMONIAMNIST [--networks 3] [--groups 10]

Networks that find a disc planted in chest X-rays (accuracy printed) are explained by three explainers that are known to
follow the disc, and by maps that are known to explain nothing. Each is judged on groups of six images, as a run is. A row
of the Markdown table is a check and a kind of map: how many groups, the values' 5th and 95th percentile, and the shares of
groups that failed the check and that passed it; the others it did not judge.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from preceptor.maths.map_checks import smooth_noise
from preceptor.prove.explaining.randomising import layers_from_the_top, randomised
from preceptor.prove.explaining.trusting import trust_of

GOOD: tuple[Any, ...] = (
    "gradient",
    {"integrated_gradients": {"steps": 16}},
    {"occlusion": {"window": 5, "stride": 2, "batch_size": 256}},
)
#: Checks whose limit is a choice, and which controls each is there to catch.
CAUGHT_BY = {
    "layers": ("fixed", "image's noise", "edges"),
    "edges": ("edges",),
    "noise": ("image's noise", "noise"),
    "seeds": ("noise", "network's noise", "untrained"),
    "region": ("fixed", "network's noise", "image's noise", "noise", "untrained"),
    "removal": ("fixed", "network's noise", "image's noise", "noise", "untrained"),
}
CASES = 6


class Nothing:
    """Smooth noise drawn anew for every image, for every network, for both, or once and for all.

    Args:
        by_image, by_network: What the draw depends on.
    """

    def __init__(self, *, by_image: bool, by_network: bool) -> None:
        self.by_image, self.by_network = by_image, by_network

    def __call__(self, model: Any, batch: Any, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        found = {}
        for view, image in batch.images.items():
            told = hashlib.sha256(b"one")
            if self.by_image:
                told.update(image.numpy().tobytes())
            if self.by_network:
                told.update(_weights(model.network))
            rng = np.random.default_rng(int.from_bytes(told.digest()[:8], "big"))
            shape = image.shape[2:]
            found[view] = torch.from_numpy(np.stack([smooth_noise(shape, rng) for _ in range(len(image))])).float()
        return found


class Untrained:
    """The gradient of another network, made anew from this one's weights: it looks at the image and knows nothing of it."""

    def __call__(self, model: Any, batch: Any, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        seed = int.from_bytes(hashlib.sha256(_weights(model.network)).digest()[:4], "big")
        other = randomised(model.network, layers_from_the_top(model, batch), seed)
        leaves = {view: image.detach().clone().requires_grad_() for view, image in batch.images.items()}
        score = target({"answer": other(leaves["view"])}).sum()
        (slope,) = torch.autograd.grad(score, [leaves["view"]])
        return {"view": slope.abs().mean(1)}


CONTROLS = {
    "fixed": Nothing(by_image=False, by_network=False),
    "image's noise": Nothing(by_image=True, by_network=False),
    "network's noise": Nothing(by_image=False, by_network=True),
    "noise": Nothing(by_image=True, by_network=True),
    "untrained": Untrained(),
}


def _weights(network: torch.nn.Module) -> bytes:
    return b"".join(each.detach().numpy().tobytes() for each in network.parameters())


def measured(folder: Path, networks: int, groups: int) -> tuple[list[dict[str, Any]], list[float], dict[str, float]]:
    """``(row of one check of one kind of map on one group, …)``, the networks' accuracies, and verdicts on the whole.

    Args:
        folder: Where ``pneumoniamnist.npz`` lies.
        networks: How many to train; each is held against the next for the check of other trainings.
        groups: Of six images, for each network.
    """
    from dataclasses import replace

    from tests.golden.planted_discs import deep
    from tests.golden.test_sanity_checks import Experiment

    made = [Experiment(folder, deep(), steps=250, count=groups * CASES, seed=seed) for seed in range(networks)]
    rows: list[dict[str, Any]] = []
    whole: dict[str, list[bool]] = {}
    for place, each in enumerate(made):
        model = replace(each.model, networks=(each.network, made[(place + 1) % networks].network))
        for start in range(0, len(each.samples) - CASES + 1, CASES):
            report = trust_of(model, each.samples[start : start + CASES], GOOD, controls=CONTROLS, seconds=600)
            for name, trust in report.explainers.items():
                kind = name if trust.is_control else "good"
                whole.setdefault(name, []).append(trust.passed)
                for check in trust.checks.values():
                    if check.name in CAUGHT_BY and np.isfinite(check.value):
                        # A region's limit is a multiple of an even share: so is the value that is shown.
                        value = check.value / check.numbers["even share"] if check.name == "region" else check.value
                        rows.append({"check": check.name, "kind": kind, "value": value, "passed": check.passed})
    return rows, [each.accuracy for each in made], {name: float(np.mean(each)) for name, each in whole.items()}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown, a check and a kind of map a line."""
    lines = ["| check | maps | groups | 5th to 95th percentile | failed | passed |", "|---|---|---|---|---|---|"]
    for check, bad in CAUGHT_BY.items():
        for kind in ("good", *bad):
            mine = [row for row in rows if row["check"] == check and row["kind"] == kind]
            if mine:
                low, high = np.quantile([row["value"] for row in mine], [0.05, 0.95])
                failed, passed = (np.mean([row["passed"] is told for row in mine]) for told in (False, True))
                shown = "good" if kind == "good" else f"*{kind}*"
                lines.append(
                    f"| {check} | {shown} | {len(mine)} | {low:.2f} to {high:.2f} | {failed:.0%} | {passed:.0%} |"
                )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--groups", type=int, default=10)
    given = parser.parse_args(arguments)
    rows, accuracies, whole = measured(given.folder, given.networks, given.groups)
    sys.stdout.write(table(rows) + "\n\naccuracies: " + ", ".join(f"{each:.2f}" for each in accuracies) + "\n")
    sys.stdout.writelines(f"{name}: passed everything in {share:.0%} of groups\n" for name, share in whole.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
