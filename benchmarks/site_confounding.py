"""How much of a chest X-ray model's ranking is the site's: folds by patient, folds that leave sites out, their difference.

preceptor run recipes/chest_xray.yaml
preceptor run recipes/chest_xray.yaml --set strategy.k_fold.by=site
python -m benchmarks.site_confounding RUN_BY_PATIENT RUN_BY_SITE
"""

from __future__ import annotations

import sys
from pathlib import Path

from preceptor.api import open_run
from preceptor.core.cohort import Cohort
from preceptor.prove.comparing.compare import compare_auroc
from preceptor.prove.evaluators.roc import Roc
from preceptor.prove.evaluators.roc_within import RocWithin


def main(by_patient: Path, by_site: Path) -> None:
    sides = []
    for name, folder in (("folds by patient", by_patient), ("groups of sites left out", by_site)):
        run = open_run(folder)
        predictions, cohort = run.predictions.role("test"), Cohort.read(folder / "cohort.parquet")
        sides.append(predictions)
        for finding in (Roc()(predictions, cohort), RocWithin(field="site")(predictions, cohort)):
            print(f"{name:26} {_line(finding)}")
            for note in finding.notes:
                print(f"{'':26}   {note}")
    print(f"{'paired difference':26} {_line(compare_auroc(*sides))}")


def _line(finding) -> str:
    interval = "" if finding.interval is None else f" [{finding.interval[0]:.3f}, {finding.interval[1]:.3f}]"
    return f"{finding.name:18} {finding.value:+.3f}{interval}  {finding.cases} cases, {finding.method}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
