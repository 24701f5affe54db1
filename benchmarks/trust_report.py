"""Which explainers may be trusted on a run: all of them held against the trust report's checks, not the recipe's alone.

    python -m benchmarks.trust_report RUN [--cases 12] [--seconds 60]
    python -m benchmarks.trust_report --discs FOLDER_OF_PNEUMONIAMNIST [--seed 0] [--cases 12]

Prints a table in Markdown: a row for each explainer, a column for each check, failures in bold, then why each failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.api import open_run
from preceptor.core.cohort import Cohort
from preceptor.prove.explaining.trust import SAME, Trust, TrustReport
from preceptor.prove.explaining.trusting import trust_of
from preceptor.prove.grouping import voting_groups

EXPLAINERS: tuple[Any, ...] = (
    "gradient",
    {"smooth_grad": {"samples": 10}},
    "guided_backprop",
    {"integrated_gradients": {"steps": 16}},
    "deeplift",
    "lrp",
    "grad_cam",
    "grad_cam_plus_plus",
    {"occlusion": {"window": 8, "stride": 4, "batch_size": 64}},
    "feature_maps",
)
ON_DISCS: tuple[Any, ...] = (
    "gradient",
    "guided_backprop",
    "grad_cam",
    {"integrated_gradients": {"steps": 16}},
    {"occlusion": {"window": 5, "stride": 2, "batch_size": 256}},
)
STAGES = ("the upper half", "all layers")
COLUMNS = ("edges", "noise", "removal")


def told(folder: Path, cases: int, seconds: float) -> TrustReport:
    """Every explainer on the first test cases of a finished run.

    Args:
        folder: Of the run.
        cases: How many.
        seconds: For each explainer.
    """
    run = open_run(folder)
    # The run is finished: weights are read, nothing is trained.
    fits = voting_groups(run._train(Cohort.read(folder / "cohort.parquet")))[0]
    members = fits[0].cohort
    store, model = run._prepare(members), run.model(fits)
    samples = [store.sample(case.key) for case in members.with_role("test")[:cases]]
    return trust_of(model, samples, EXPLAINERS, seconds=seconds, seed=run.recipe.seed)


def told_of_discs(folder: Path, cases: int, seconds: float, seed: int) -> TrustReport:
    """Some explainers on the eight convolutions of the golden test's experiment, trained here (half a minute).

    Args:
        folder: Where ``pneumoniamnist.npz`` lies.
        cases: How many.
        seconds: For each explainer.
        seed: Of the training.
    """
    from tests.golden.planted_discs import deep
    from tests.golden.test_sanity_checks import Experiment

    found = Experiment(folder, deep(), steps=250, count=cases, seed=seed)
    return trust_of(found.model, found.samples, ON_DISCS, seconds=seconds)


def table(report: TrustReport) -> str:
    """The report in Markdown."""
    lines = [
        "| explainer | upper half | all layers | edges | noise | removal | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, trust in report.explainers.items():
        layers = trust.checks["layers"]
        cells = [_cell(value, value > SAME) for value in (layers.numbers.get(stage, np.nan) for stage in STAGES)]
        cells += [_cell(trust.checks[each].value, trust.checks[each].passed is False) for each in COLUMNS]
        shown = f"*{name}* (control)" if trust.is_control else name
        verdict = "caught" if trust.is_control and "layers" in trust.failed else _verdict(trust)
        lines.append(f"| {shown} | {' | '.join(cells)} | {verdict} |")
    lines += ["", *(f"- {name}: {report[name].sentence}" for name in report.failing), "", *report.notes]
    return "\n".join(lines)


def _verdict(trust: Trust) -> str:
    return "passed" if trust.passed else "FAILED" if trust.failed else "not checked"


def _cell(value: float, failed: bool) -> str:
    if not np.isfinite(value):
        return "-"
    return f"**{value:.2f}**" if failed else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("run", type=Path, nargs="?")
    asked.add_argument("--discs", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    if given.discs:
        report = told_of_discs(given.discs, given.cases, given.seconds, given.seed)
    else:
        report = told(given.run, given.cases, given.seconds)
    sys.stdout.write(table(report) + f"\n{report.seconds:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
