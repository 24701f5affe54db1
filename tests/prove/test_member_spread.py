"""An ensemble's run tells what its members reach alone; external cases stand beside the internal ones."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor import api
from preceptor.core.evidence import Evidence
from preceptor.prove.comparing.member_spread import member_spread, read_members, write_members
from preceptor.prove.judging import judge
from preceptor.prove.storing import read_predictions

from .answered import NOBODY, binary, numbers

_RECIPE = """
study: spread
seed: 3
cohort: {table: {file: cases.csv, patient: patient, image: {image: image}, labels: [finding], fields: [site]}}
checks: [unreadable]
split: {by: patient, train: 0.5, tune: 0.1, calibrate: 0.1, test: 0.3, external: {site: [B]}}
prepare: [zscore]
task: {classification: {label: finding, classes: [absent, present]}}
network: {cnn: {channels: [4, 8]}}
objective: cross_entropy
strategy: {ensemble: {members: 3}}
train: {epochs: 1, batch_size: 8}
safeguards: [temperature]
evaluate: [{roc: {resamples: 200}}, {risk_coverage: {resamples: 200, scores: [epistemic]}}]
gates: [{at_least: {finding: change.roc, value: -0.9}}, {at_least: {finding: members.roc, value: 0.0, bound: value}}]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 10, 10)).astype(np.float32)
    rows = ["key,patient,image,finding,site"]
    for at, image in enumerate(images):
        image[3:7, 3:7] += 0.6 * (at % 2)
        site = "B" if at % 4 > 1 and at > 31 else "A"
        rows.append(f"k{at},p{at},data.npz::images::{at},{['absent', 'present'][at % 2]},{site}")
    np.savez(folder / "data.npz", images=images)
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "recipe.yaml").write_text(_RECIPE)
    return api.run(folder / "recipe.yaml", folder / "run", stream=None)


def test_members_stand_beside_their_ensemble(run):
    found = run.evidence.findings["members.roc"]
    alone = [found.parts[f"member {at}"].value for at in (1, 2, 3)]
    assert len(set(alone)) > 1, "three networks of their own"
    assert found.value == pytest.approx(np.mean(alone)) and found.parts["deviation"].value == pytest.approx(
        np.std(alone, ddof=1)
    )
    assert found.parts["ensemble"].value == run.evidence["roc"].value
    assert f"lowest {min(alone):.4f}, highest {max(alone):.4f}" in found.notes[0]
    assert "members.risk_coverage" not in run.evidence, "one network alone has no disagreement to rank by"
    members = read_members(run.folder, run.task.question)
    again = [judge(each, NOBODY, ["roc"], [])["roc"].value for each in members]
    assert again == pytest.approx(alone), "recomputed from what is stored"
    together = read_predictions(run.folder, run.task.question).role("test")
    assert list(members[0].role("test").table["key"]) == list(together.table["key"])


def test_the_change_to_the_external_cases_is_told_and_gated(run):
    evidence = run.evidence
    change = evidence.findings["change.roc"]
    assert change.value == pytest.approx(evidence["external.roc"].value - evidence["roc"].value)
    assert change.interval is not None and "internal" in change.notes[0]
    assert [verdict.passed for verdict in evidence.verdicts] == [True, True], "gates see both"
    page = (run.folder / "report.html").read_text()
    assert "change from the internal cohort" in page and "members one by one" in page and "member 2" in page


def test_a_single_training_has_no_members(run, tmp_path):
    members = read_members(run.folder, run.task.question)
    write_members(tmp_path, [members, members[:1]])
    assert read_members(tmp_path, run.task.question) == [], "groups of different sizes are not pooled"
    write_members(tmp_path, [[]])
    assert read_members(tmp_path, run.task.question) == []
    assert member_spread([], run.evidence, NOBODY, ["roc"]) == {}


def test_a_measure_that_is_undefined_for_a_member_is_left_out():
    truth = np.array([0, 1] * 10)
    right = binary(truth, np.where(truth, 0.8, 0.2))
    ones = binary(np.ones(20, dtype=int), np.full(20, 0.7))
    evidence = judge(right, NOBODY, [{"roc": {"resamples": 200}}], [])
    asked = [{"roc": {"resamples": 200}}]
    assert list(member_spread([right, right], evidence, NOBODY, asked)) == ["members.roc"]
    assert member_spread([right, ones], evidence, NOBODY, asked) == {}


def test_it_says_how_many_members_are_better_alone():
    truth = np.array([0, 1] * 10)
    rng = np.random.default_rng(1)
    sides = [binary(truth, np.clip(0.5 + share * (truth - 0.5) + rng.normal(0, 0.3, 20), 0, 1)) for share in (0.2, 0.9)]
    asked = [{"roc": {"resamples": 200}}]
    evidence = judge(sides[0], NOBODY, asked, [])
    found = member_spread(sides, evidence, NOBODY, asked)["members.roc"]
    assert found.notes[1].endswith("1 of 2 members alone is better")
    stored = Evidence.from_json(
        {"findings": {"members.roc": found.to_json()}, "verdicts": [], "problems": [], "facts": {}}
    )
    assert stored["members.roc.member 1"].value == found.parts["member 1"].value


def test_where_lower_is_better_those_with_less_are_better():
    truth = np.arange(20.0)
    sides = [numbers(truth, truth + error * np.cos(truth)) for error in (3, 1)]
    asked = [{"mean_absolute_error": {"resamples": 200}}]
    found = member_spread(sides, judge(sides[0], NOBODY, asked, []), NOBODY, asked)["members.mean_absolute_error"]
    assert found.notes[1].endswith("1 of 2 members alone is better")


def test_networks_drawn_by_swag_vote_are_sealed_and_agree_or_not(tmp_path):
    """The whole path with an answer per voxel: tail, members, their maps, their agreement, the bundle."""
    from tests.deliver.sealed import dense_run

    run = dense_run(
        tmp_path,
        strategy="{swag: {members: 3, rank: 2, tail: 1.0}}",
        safeguards="[member_agreement]",
        evaluate="[dice, {predicted_quality: {part: member_agreement, resamples: 100}}]",
    )
    found = run.evidence.findings["members.dice"]
    assert [name for name in found.parts if name.startswith("member ")] == ["member 1", "member 2", "member 3"]
    assert all((run.folder / "members" / str(at) / "maps").is_dir() for at in range(3))
    assert run.predictions.table["part:member_agreement"].notna().any()
    assert "members.predicted_quality" not in run.evidence, "one network alone has nobody to agree with"
    bundle = run.seal(tmp_path / "swag.preceptor")
    prediction = bundle.predict(next((tmp_path / "data" / "images").glob("*.nii.gz")))
    assert "member_agreement" in prediction.parts and prediction.mask is not None
