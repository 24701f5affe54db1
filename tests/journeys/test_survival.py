"""From phantoms with a known hazard to a sealed bundle that says how soon, and when it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import preceptor as pr
from preceptor.core.cohort import Cohort
from preceptor.intake.case import open_case
from preceptor.maths.concordance import harrell
from preceptor.maths.survival_phantoms import concordance_among
from preceptor.prove.explaining.explain import explain_cases
from preceptor.prove.explaining.explanation import Explanation

RECIPE = """\
study: journey
seed: 3
cohort:
  phantoms: {task: survival, visits: 900, size: [32, 32], label: death, lesion_effect: 1.5, lesion_contrast: 0.6,
             censored: 0.25, truth: true, format: png}
split: {by: patient, train: 0.6, tune: 0.08, calibrate: 0.07, test: 0.25}
prepare: [zscore]
augment: [{flip: {axes: [x, y], chance: 0.5}}]
task: {survival: {time: death_time, event: death_event, times: [3, 6, 12, 24, 48], unit: months, clinical: [age]}}
network: {cnn: {channels: [12, 24, 48], convolutions: 1}}
objective: OBJECTIVE
train: {epochs: 26, batch_size: 45, optimizer: {adamw: {lr: 8e-3}}, schedule: {cosine: {warmup_epochs: 1}}, tune_every: 3}
safeguards: [SAFEGUARDS]
evaluate: [{concordance: {resamples: 500}}, {survival_brier: {resamples: 200}}]
gates: [{at_least: {finding: concordance, value: 0.6, bound: lower}}, no_leak]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One for all recipes, so that the phantoms are drawn once."""
    return tmp_path_factory.mktemp("survival")


def walked(folder: Path, objective: str, safeguards: str) -> pr.Run:
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.replace("OBJECTIVE", objective).replace("SAFEGUARDS", safeguards), encoding="utf-8")
    return pr.run(recipe, out=folder / "runs", device="cpu")


def looks_at_the_lesion(bundle, cohort: Cohort, folder: Path) -> None:
    """More of what occlusion finds lies on the lesion than the lesion's share of the picture."""
    council = bundle.council("cpu")
    opened = [open_case(cohort.root, case) for case in cohort.with_role("test")[:6]]
    samples = [council.prepare(each) for each in opened]
    explain_cases(council.panels[0].answering.model, samples, ["gradient", "grad_cam", "occlusion"], folder)
    shares = []
    for number, sample in enumerate(opened):
        explained = Explanation.read(folder / f"{number:03d}.npz")
        assert explained.target == "the risk of death"
        strength = {name: np.abs(maps["image"]) for name, maps in explained.maps.items()}
        assert all(np.isfinite(each).all() for each in strength.values()) and strength["gradient"].sum() > 0
        lesion = sample.masks["lesion"].array[0] > 0
        shares.append(strength["occlusion"][lesion].sum() / strength["occlusion"].sum() / lesion.mean())
    assert np.median(shares) > 2, shares


@pytest.mark.slow
def test_cox_from_phantoms_to_a_bundle_that_says_how_soon(folder, tmp_path):
    run = walked(folder, "cox", "baseline_hazard, input_control")
    cohort = Cohort.read(run.folder / "cohort.parquet")

    # The interval leaves chance behind, and the value comes near what no model can pass.
    table = run.predictions.role("test").table
    best = harrell(table["truth_time"], table["truth_event"] == 1, table["field:log_hazard"])
    found = run.evidence["concordance"]
    assert found.interval[0] > 0.6 and found.value > best - 0.08
    assert abs(best - concordance_among(table["field:log_hazard"].to_numpy())) < 0.08

    # Curves explain more than one curve for everybody does, and the baselines stand beside.
    assert run.evidence["survival_brier.explained"].interval[0] > 0
    beside = run.evidence.facts["baselines"]["measures"]["concordance"]
    assert beside["kaplan_meier"]["value"] == 0.5 and beside["kaplan_meier"]["beaten"]
    assert 0.5 < beside["cox"]["value"] < best + 0.05

    # What is sealed answers as the run did, and does not answer for what is no such image.
    bundle = run.seal(tmp_path / "journey.preceptor")
    looks_at_the_lesion(bundle, cohort, tmp_path / "explained")
    case = cohort.with_role("test")[0]
    answer = bundle.predict(cohort.root / case.images["image"])
    row = table[table["key"] == case.key].iloc[0]
    assert answer.accepted and answer.probability[0] == pytest.approx(row["answer"], abs=1e-5)
    assert answer.survival.tolist() == pytest.approx([row[f"survival_{t}"] for t in (3, 6, 12, 24, 48)], abs=1e-6)
    assert (np.diff(answer.survival) < 0).all()
    from PIL import Image

    noise = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)).save(noise)
    strange = bundle.predict(noise)
    assert not strange.accepted and strange.reasons

    out = tmp_path / "answers"
    told = pr.predict(tmp_path / "journey.preceptor", [noise, cohort.root / case.images["image"]], out=out)
    assert {"answer", "survival_3", "survival_48", "unit", "accepted", "reasons"} <= set(told.columns)
    assert not told["accepted"].iloc[0] and told["reasons"].iloc[0] and told["unit"].iloc[1] == "months"


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["logistic_hazard", "deephit"])
def test_discrete_time_needs_no_baseline(objective, folder):
    run = walked(folder, objective, "input_control")
    assert run.evidence["concordance"].interval[0] > 0.6
    assert run.evidence["concordance.antolini"].value > 0.6
    assert run.evidence["survival_brier.explained"].value > 0
    assert json.loads((run.folder / "evidence.json").read_text())["facts"]["baselines"]["beaten"]["kaplan_meier"]
