"""Known answers of augmentation offline: I6.4, how many files there are and whose side they are on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from preceptor import api
from preceptor.intake.split import folds, split

from ..prepare.cases import volumes

RECIPE = """\
study: tiny
seed: 5
cohort: {folder: {folder: data, image: "image*.nii", label: "label*.nii", keep_names: true}}
split: {by: image, train: 0.5, tune: 0.25, test: 0.25}
prepare: [zscore]
augment:
  - {rotate: {degrees: 20}}
  - {shift: {shift_mm: 4}}
  - {noise: {sigma: 0.1}}
task: {segmentation: {labels: {small: 1, large: 2}}}
network: {unet: {channels: [4, 8]}}
objective: [dice]
train: {epochs: 1, batch_size: 2, patch: [12, 12, 12]}
checks: [unreadable]
evaluate: [dice]
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path
    volumes(folder / "data", ((16, 18, 14),) * 12)
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def larger(folder):
    return api.augment(folder / "tiny.yaml", folder / "out", copies=3, stream=None)


@pytest.mark.answer("I6.4")
def test_k_copies_of_n_cases_are_n_times_one_plus_k_files_on_their_parents_side(folder, larger):
    roles = Counter(case.role for case in larger)
    assert roles == {"train": 6 * (1 + 3), "tune": 3, "test": 3}, "no other role is varied"
    assert len(list((folder / "out" / "images").iterdir())) == 6 * 4 + 6
    assert "6 x (1 + 3) = 24" in larger.notes[-1] and "a factor of 2.50" in larger.notes[-1]
    parents = {case.key: case for case in larger if case.fields["augmented_copy"] == 0}
    for case in larger:
        parent = parents[case.fields["augmented_from"]]
        assert (case.group, case.patient, case.role, case.labels) == (
            parent.group, parent.patient, parent.role, parent.labels
        )  # fmt: skip
    # However the enlarged cohort is split again, a copy stays beside its parent.
    for seed in range(4):
        free = larger.with_cases(replace(case, role=None) for case in larger)
        dealt = split(free, {"by": "patient", "train": 0.5, "tune": 0.2, "test": 0.3}, seed)
        for each in (dealt, *folds(free, 3, seed)):
            sides = {case.fields["augmented_from"]: set() for case in each}
            for case in each:
                sides[case.fields["augmented_from"]].add(case.role)
            assert all(len(side) == 1 for side in sides.values())
