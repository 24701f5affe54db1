"""``preceptor texture`` names what a recipe's steps do to fine grain."""

from __future__ import annotations

import json

from preceptor.cli import main

RECIPE = """\
study: grains
seed: 3
cohort: {phantoms: {visits: 24, size: [64, 64], format: png, folder: data}}
split: {by: patient, train: 0.6, tune: 0.1, test: 0.3, stratify: label}
prepare: [zscore]
augment: [{blur: {sigma_mm: 8, chance: 0.2}}]
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [4, 8], convolutions: 1}}
objective: cross_entropy
train: {epochs: 1}
evaluate: [roc]
"""


def test_a_table_and_a_record(tmp_path, capsys):
    (tmp_path / "grains.yaml").write_text(RECIPE)
    assert main(["texture", str(tmp_path / "grains.yaml"), "--cases", "6"]) == 0
    said = capsys.readouterr().out
    assert "blur" in said and "wiped" in said and "AUROC" in said
    command = ["texture", str(tmp_path / "grains.yaml"), "--cases", "6", "--json", "--set", "augment=[gamma]"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in found["rows"]] == ["as read", "zscore", "gamma"]
    assert found["wiped"] == [] and found["cases"] == 6


def test_too_few_cases(tmp_path, capsys):
    (tmp_path / "grains.yaml").write_text(RECIPE)
    assert main(["texture", str(tmp_path / "grains.yaml"), "--cases", "2"]) == 3
    assert "too few" in capsys.readouterr().err
