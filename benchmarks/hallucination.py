"""The hallucination audit of plain translators, trained and untrained, and Cohen's figure of it.

    python benchmarks/hallucination.py [seeds]

Writes docs/results/hallucination.json (every audit) and docs/pictures/hallucination.svg, and prints the table of
docs/results/hallucination.md. Three seeds take about two minutes of one core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from preceptor.prove.hallucination import Audit, by_share, share_chart

DOCS = Path(__file__).parents[1] / "docs"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
NAMES = {
    "paired": "trained on pairs",
    "unpaired": "distributions matched",
    "cycle": "matched, and there and back",
    "off centre": "matched, pixels not centred",
    "quantiles": "histogram matched",
    "moments": "mean and covariance matched",
    "quantiles kept": "histogram matched, contrast kept",
}

#: A picture of its own carries its style with it.
STYLE = (
    "<style>text{font:12px sans-serif;fill:#24323d}.grid{stroke:#e3e8ec}.axis{fill:none;stroke:#5c6a76}"
    "</style><rect width='100%' height='100%' fill='#fff'/>"
)


def told(values: list[float]) -> str:
    middle = f"{float(np.median(values)):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"


def row(name: str, audits: list[Audit]) -> str:
    columns = [[getattr(each, field) for each in audits] for field in ("shown", "appearance", "disappearance", "error")]
    verdicts = [each.verdict for each in audits]
    worst = f"{sum(each == 'not for diagnosis' for each in verdicts)} of {len(verdicts)}"
    return f"| {name} | {audits[0].training_share:g} | {' | '.join(map(told, columns))} | {worst} |"


def main(seeds: int) -> None:
    torch.set_num_threads(1)
    chosen = {
        "paired": (SHARES, seeds),
        "unpaired": (SHARES, seeds),
        "cycle": ((0.0, 0.5, 1.0), 1),
        "off centre": ((0.5,), seeds),
        "quantiles": (SHARES, seeds),
        "moments": (SHARES, seeds),
        "quantiles kept": ((0.5,), seeds),
    }
    print("| training | lesions in it | shown | appear | vanish | error of the image | not for diagnosis |")
    print("|---|---|---|---|---|---|---|")
    found: dict[str, list[list[Audit]]] = {}
    for kind, (shares, number) in chosen.items():
        for share in shares:
            audits = by_share(kind, [share], range(number))[0]  # type: ignore[arg-type]
            found.setdefault(kind, []).append(audits)
            print(row(NAMES[kind], audits), flush=True)
    record = {kind: [[each.to_json() for each in audits] for audits in rows] for kind, rows in found.items()}
    (DOCS / "results" / "hallucination.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    svg = str(share_chart({NAMES[kind]: rows for kind, rows in found.items() if len(rows) > 1}))
    head, _, rest = svg.partition(">")
    head = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    (DOCS / "pictures" / "hallucination.svg").write_text(f"{head}>{STYLE}{rest}\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
