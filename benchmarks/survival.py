"""Survival measures on two real tables (GBSG, METABRIC): a linear Cox model, with every interval.

    python benchmarks/survival.py FOLDER

FOLDER holds gbsg.csv and metabric.csv (columns split, x0 …, time, event), as DeepSurv's authors divided them. The Cox
model is fitted on the training cases with `preceptor.maths.survival_losses.cox`, its baseline with Breslow's estimate,
and judged as any other tool's table would be: `preceptor evaluate --predictions`.
"""

from __future__ import annotations

import sys
import tempfile
import time as clock
from pathlib import Path

import numpy as np
import pandas
import torch

from preceptor import api
from preceptor.maths.survival_curves import breslow, survival_of
from preceptor.maths.survival_losses import cox

UNIT = "months"
SHOWN = (
    "concordance",
    "concordance.uno",
    "concordance.antolini",
    "survival_auc",
    "survival_brier",
    "survival_brier.kaplan_meier",
    "survival_brier.explained",
    "survival_calibration",
    "survival_calibration.observed_expected",
)


def fitted(features: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Coefficients of a linear Cox model, ties by Efron."""
    given, ended, happened = (torch.as_tensor(each, dtype=torch.float64) for each in (features, time, event))
    weights = torch.zeros(features.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = cox(given @ weights, ended, happened, "efron").sum() / happened.sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach().numpy()


def predicted(table: pandas.DataFrame) -> pandas.DataFrame:
    """The table that another tool would hand over: training cases with their follow-up, test cases with predictions."""
    train = (table["split"] == "train").to_numpy()
    names = [name for name in table if name.startswith("x")]
    features = table[names].to_numpy(dtype=float)
    features = (features - features[train].mean(0)) / features[train].std(0)
    time, event = table["time"].to_numpy(dtype=float), table["event"].to_numpy(dtype=float)
    weights = fitted(features[train], time[train], event[train])
    risk = features @ weights
    times = np.quantile(time[train & (event == 1)], np.linspace(0.1, 0.9, 9)).round(1)
    curves = survival_of(breslow(time[train], event[train], risk[train]), risk, times)
    columns = {f"survival_{at:g}": curves[:, column] for column, at in enumerate(times)}
    return pandas.DataFrame(
        {
            "key": [f"case-{at}" for at in range(len(table))],
            "role": np.where(train, "train", "test"),
            "truth_time": time,
            "truth_event": event,
            "answer": risk,
            "unit": UNIT,
        }
        | columns
    )


def main(folder: Path) -> None:
    for name in ("gbsg", "metabric"):
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / f"{name}.csv"
            predictions = predicted(pandas.read_csv(folder / f"{name}.csv"))
            predictions.to_csv(path, index=False)
            began = clock.process_time()
            evidence = api.evaluate(None, predictions=path, out=Path(made) / "out")
            spent = clock.process_time() - began
        tested = predictions["role"].eq("test")
        events = int(predictions.loc[tested, "truth_event"].sum())
        print(f"{name}: {int(tested.sum())} test cases, {events} events; judged in {spent:.1f} s of one core")
        for shown in SHOWN:
            finding = evidence[shown]
            low, high = finding.interval or (float("nan"),) * 2
            print(f"| {name} | {shown} | {finding.value:.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
