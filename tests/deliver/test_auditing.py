"""`preceptor audit` on finished runs: what it writes, what it leaves alone, and where it refuses."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.errors import BundleError, RecipeError
from preceptor.deliver.auditing import audit_run, read_target
from preceptor.deliver.group import prepare_states, read_groups, with_states
from preceptor.deliver.members import Originals

from .sealed import dense_run, two_view_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return two_view_run(tmp_path_factory.mktemp("audited")).folder


def _digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_audited_once_and_nothing_else_in_its_folder_changes(folder, capsys):
    before = _digests(folder)
    assert main(["audit", str(folder), "--cases", "20", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "suspic" in said.out or "shortcut" in said.out
    assert "asking" in said.err
    after = _digests(folder)
    assert {path.name for path in set(after) - set(before)} == {"audit.json", "audit_means.npz"}
    assert all(after[path] == digest for path, digest in before.items())
    assert main(["audit", str(folder)]) == 3
    assert "audited already" in capsys.readouterr().err
    assert main(["audit", str(folder), "--fresh", "--predictions-only", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["suspicions"] == [] and any("stored predictions alone" in note for note in record["notes"])


def test_cases_prepared_from_their_originals_are_those_the_model_was_trained_on(folder):
    run = api.open_run(folder)
    group = read_groups(folder)[0]
    from preceptor.core.cohort import Cohort

    cohort = Cohort.read(folder / "cohort.parquet")
    steps, _ = with_states("transforms", run.recipe.prepare, prepare_states(folder / "fits" / group.name))
    originals = Originals(cohort, steps)
    audit = audit_run(run.recipe, folder, most_cases=4, device="cpu")
    assert audit["only.low-pass"].cases == 4
    case = cohort.cases[1]
    sample = originals.sample(case.key)
    assert set(sample.images) == set(case.images)
    assert np.mean(sample.reference.array) == pytest.approx(0, abs=1e-5)  # zscore


def test_dense_runs_are_audited_for_their_people_alone(tmp_path):
    run = dense_run(tmp_path)
    audit = api.audit(run.folder)
    assert not audit.suspicions and any("stored predictions alone" in note for note in audit.notes)


def test_an_unfinished_run_and_a_broken_target_are_told(folder, tmp_path):
    (tmp_path / "target.yaml").write_text("sex: {F: half, M: 0.5}\n")
    with pytest.raises(RecipeError) as told:
        read_target(tmp_path / "target.yaml")
    assert told.value.problem.code == "target_unreadable"
    (tmp_path / "target.yaml").write_text("sex: {F: 0.5, M: 0.5}\n")
    assert read_target(tmp_path / "target.yaml") == {"sex": {"F": 0.5, "M": 0.5}}
    with pytest.raises(BundleError) as unfinished:
        audit_run(api.open_run(folder).recipe, tmp_path)
    assert unfinished.value.problem.code == "run_unfinished"
