"""External validation of a sealed bundle: a phantom site it learnt from, and one whose scanner is another."""

from __future__ import annotations

import pytest

from preceptor import api
from preceptor.core.cohort import Cohort
from preceptor.prove.comparing.external import changes
from preceptor.prove.report.record import Record

RECIPE = """\
study: north
seed: 3
cohort: {phantoms: {visits: 420, size: [24, 24], lesion_contrast: 0.6, format: png, folder: data, site_effect: 1.5}}
split: {by: patient, train: 0.5, tune: 0.1, calibrate: 0.2, test: 0.2, stratify: label, external: {site: [south]}}
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [8, 16], convolutions: 1}}
objective: cross_entropy
train: {epochs: 12, batch_size: 16, optimizer: {adamw: {lr: 1e-2}}}
safeguards: [temperature, input_control]
evaluate: [{roc: {resamples: 200}}, {calibration: {resamples: 200}}]
gates: [{at_least: {finding: roc, value: 0.5, bound: value}}]
"""


@pytest.mark.slow
def test_a_site_with_another_scanner_is_worse_and_said_to_be(tmp_path):
    (tmp_path / "north.yaml").write_text(RECIPE)
    run = api.run(tmp_path / "north.yaml", tmp_path / "runs", device="cpu", stream=None)
    run.seal(tmp_path / "north.preceptor")
    whole = Cohort.read(run.folder / "cohort.parquet")
    cohorts = {}
    for site, role in (("north", "test"), ("south", "external")):
        cohorts[site] = whole.select(lambda case, role=role: case.role == role)
        cohorts[site].write(tmp_path / f"{site}.parquet")
    worse = [{"at_least": {"finding": "change.roc", "value": -0.02, "bound": "lower"}}]
    home, away = (
        api.evaluate(tmp_path / "north.preceptor", tmp_path / f"{site}.parquet", out=tmp_path / site, set=gates)
        for site, gates in zip(cohorts, ({}, {"gates": worse}), strict=True)
    )
    # The bundle's own gate is asked of the first; of the second whether it is much worse than at home.
    assert [each.gate for each in home.verdicts] == ["at_least"] and home.passed
    assert not away.passed and "change.roc" in away.verdicts[0].sentence
    # The internal test cases again: the same figures, so a change of nothing.
    assert home["roc"].value == pytest.approx(run.evidence["roc"].value, abs=1e-6)
    assert home["change.roc"].value == pytest.approx(0, abs=1e-6)
    assert home["change.refused"].value == pytest.approx(0, abs=1e-9)
    assert away["change.roc"].value == pytest.approx(away["roc"].value - run.evidence["roc"].value)
    assert away["change.roc"].interval[1] < 0 or away["change.calibration"].interval[0] > 0
    assert away["change.refused"].notes[0].endswith(f"of {len(cohorts['south'])}")
    assert changes(away, run.evidence)["change.roc"].interval == away["change.roc"].interval
    assert "change.roc" in Record.read(tmp_path / "south").evidence
    assert "external minus internal" in (tmp_path / "south" / "report.html").read_text()
