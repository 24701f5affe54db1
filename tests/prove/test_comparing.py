"""Two models held against each other: the difference, its test, the margin, and who changes sides."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.slots import build
from preceptor.maths.comparison import delong
from preceptor.prove.comparing.changed_sides import changed_sides
from preceptor.prove.comparing.compare import compare
from preceptor.prove.comparing.seeds import seed_spread
from tests.prove.answered import NOBODY, binary, classes, labels, maps, numbers


def sigmoid(odds):
    return 1 / (1 + np.exp(-np.asarray(odds)))


@pytest.fixture
def two():
    """150 patients of 2 cases; the second model sees less."""
    generator = np.random.default_rng(0)
    patient = np.repeat(np.arange(150), 2)
    truth = generator.integers(0, 2, 150)[patient]
    shared = 1.5 * truth + generator.normal(0, 1, 150)[patient]
    first, second = (sigmoid(shared - 0.75 + generator.normal(0, noise, 300)) for noise in (0.3, 1.5))
    return truth, first, second, patient


def told(finding, text):
    return any(text in note for note in finding.notes)


def test_every_shared_measure_is_the_difference_of_both(two):
    truth, first, second, patient = two
    one, other = binary(truth, first, patient), binary(truth, second, patient)
    found = compare(one, other, margin=0.02, resamples=400)
    assert list(found.parts)[:4] == ["roc", "average_precision", "confusion", "calibration"]
    for name in list(found.parts)[:4]:
        values = [build("evaluators", name)(side, NOBODY).value for side in (one, other)]
        part = found.parts[name]
        assert part.value == pytest.approx(values[0] - values[1])
        assert (part.parts["first"].value, part.parts["second"].value) == pytest.approx(tuple(values))
        assert part.interval[0] <= part.value <= part.interval[1] and part.clusters == 150
    assert found.value == found.parts["roc"].value > 0.03
    assert told(found, "the first is better") and told(found, "Holm")
    assert told(found, "patients are needed")
    back = compare(other, one, margin=0.02, measures=["roc"], resamples=400)
    assert back.value == pytest.approx(-found.value) and told(back, "the second is better")
    assert found.parts["roc"].parts["p"].value < 0.01


def test_a_pair_is_narrower_than_its_halves_and_blind_to_the_order_of_rows(two):
    truth, first, _, patient = two
    near = sigmoid(np.log(first / (1 - first)) + np.random.default_rng(1).normal(0, 0.2, 300))
    one, other = binary(truth, first, patient), binary(truth, near, patient)
    found = compare(one, other, measures=["roc"], margin=0.03, resamples=400)
    alone = found.parts["roc"].parts["first"].interval
    assert np.diff(found.interval) < 0.4 * np.diff(alone)
    assert told(found, "alike within the margin")
    mixed = other.table.sample(frac=1, random_state=0).reset_index(drop=True)
    again = compare(one, type(other)(mixed, other.question, other.folder), measures=["roc"], resamples=400)
    assert again.value == found.value and again.interval == found.interval


def test_tests_for_independent_cases_stand_beside_where_they_hold(two):
    truth, first, second, patient = two
    found = compare(binary(truth, first), binary(truth, second), measures=["roc", "confusion"], resamples=400)
    p = delong(truth, first, second).p
    assert f"DeLong {p:.3g}" in found.parts["roc"].parts["p"].method
    assert "McNemar" in found.parts["confusion"].parts["p"].method
    clustered = compare(binary(truth, first, patient), binary(truth, second, patient), measures=["roc", "confusion"])
    methods = [clustered.parts[name].parts["p"].method for name in ("roc", "confusion")]
    assert not any("DeLong" in each or "McNemar" in each for each in methods), (
        "patients with two cases are not independent"
    )


def test_numbers_and_maps_are_exchanged_patient_by_patient(tmp_path):
    generator = np.random.default_rng(2)
    truth = generator.uniform(20, 80, 40)
    answers = [truth + generator.normal(0, spread, 40) for spread in (2, 6)]
    found = compare(*(numbers(truth, each) for each in answers), margin=1.0)
    assert found.value < -2 and found.unit == "years" and told(found, "the first is better")
    assert "exchanged" in found.parts["mean_absolute_error"].parts["p"].method
    block = np.zeros((6, 6, 6))
    block[2:5, 2:5, 2:5], (one, other) = 1, (tmp_path / "one", tmp_path / "other")
    for folder in (one, other):
        folder.mkdir()
    shifted = np.roll(block, 1, 0)
    sides = maps(one, [(block, block)] * 6), maps(other, [(block, shifted)] * 6)
    dense = compare(*sides, measures=["dice"])
    # One of two structures is absent from all: it counts 1 for both.
    assert dense.value == pytest.approx(1 / 6) and dense.parts["dice"].parts["p"].value == pytest.approx(2 / 64)


def test_equal_measures_hide_patients_who_change_sides():
    """Two models with the same AUROC and the same accuracy to the last digit: ten patients of forty change sides."""
    truth = np.repeat([1, 0], 20)
    first = np.where(truth == 1, 0.8, 0.2)
    second = first.copy()
    first[[0, 1, 2, 20, 21]] = 1 - first[[0, 1, 2, 20, 21]]
    second[[5, 6, 7, 25, 26]] = 1 - second[[5, 6, 7, 25, 26]]
    found = compare(binary(truth, first, np.arange(40)), binary(truth, second, np.arange(40)), margin=0.05)
    assert found.value == 0.0 and found.parts["confusion"].value == 0.0 and found.parts["roc"].parts["p"].value == 1.0
    sides = found.parts["changed_sides"]
    assert sides.value == 0.25 and sides.interval == pytest.approx((0.1419, 0.4019), abs=1e-3)
    assert (sides.parts["to_right"].value, sides.parts["to_wrong"].value) == (5 / 40, 5 / 40)
    assert told(found, "10 of 40 patients get another answer")
    assert sum(sides.per_case.values()) == 10


def test_answers_of_labels_change_sides_by_any_label():
    truth = [[1, np.nan], [0, 1], [np.nan, np.nan]]
    one = labels(truth, [[0.9, 0.1], [0.2, 0.9], [0.1, 0.1]])
    other = labels(truth, [[0.9, 0.9], [0.8, 0.9], [0.1, 0.1]])
    found = changed_sides(one, other)
    assert found.value == pytest.approx(2 / 3)
    assert found.parts["to_wrong"].value == 0.5, "an unlabelled entry that changes is neither right nor wrong"
    assert found.parts["to_right"].value == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(key=t["key"] + "x"), "share no case"),
        (lambda t: t.assign(truth=t["truth"].to_numpy()[::-1]), "different truths"),
    ],
)
def test_what_can_not_be_paired_is_refused(two, change, message):
    truth, first, second, _ = two
    other = binary(truth, second)
    with pytest.raises(CohortError, match=message):
        compare(binary(truth, first), type(other)(change(other.table), other.question, other.folder))
    with pytest.raises(CohortError, match="different classes"):
        compare(binary(truth, first), classes([0, 1, 2], np.eye(3)))
    with pytest.raises(RecipeError, match="margin of 'dice'"):
        compare(binary(truth, first), other, margin={"dice": 0.1})
    with pytest.raises(RecipeError, match="does not suit"):
        compare(binary(truth, first), other, measures=["dice"])


def test_the_spread_over_seeds_and_who_changes_sides_with_them(two):
    truth, first, _, patient = two
    generator = np.random.default_rng(3)
    odds = np.log(first / (1 - first))
    several = [binary(truth, sigmoid(odds + generator.normal(0, 0.5, 300)), patient) for _ in range(4)]
    found = seed_spread(several)
    areas = [build("evaluators", "roc")(each, NOBODY).value for each in several]
    assert found.value == pytest.approx(np.mean(areas))
    assert found.parts["deviation"].value == pytest.approx(np.std(areas, ddof=1))
    answers = np.stack([each.table["answer"].to_numpy() for each in several])
    changed = np.unique(patient[(answers != answers[0]).any(0)])
    assert found.parts["disagreement"].value == pytest.approx(len(changed) / 150)
    assert len([name for name in found.parts if name.startswith("training")]) == 4
    with pytest.raises(CohortError, match="two trainings"):
        seed_spread(several[:1])


def test_the_command_compares_tables(two, tmp_path, capsys):
    truth, first, second, patient = two
    paths = []
    for name, each in (("a", first), ("b", second), ("c", second)):
        paths.append(str(tmp_path / f"{name}.csv"))
        table = binary(truth, each, patient).table[
            ["key", "patient", "truth", "probability_absent", "probability_present"]
        ]
        table.iloc[:, [0, 1, 2, 4, 3] if name == "b" else [0, 1, 2, 3, 4]].to_csv(paths[-1], index=False)
    assert main(["compare", *paths[:2], "--margin", "0.02", "--measure", "roc", "-o", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr().out
    assert "roc" in said and "the first is better" in said and "get another answer" in said
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["value"] == pytest.approx(
        compare(binary(truth, first), binary(truth, second), measures=["roc"]).value
    )
    assert main(["compare", *paths, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "seed_spread"
    assert main(["compare", paths[0]]) == 2
    with pytest.raises(RecipeError, match="nothing to compare"):
        api.compare(paths[0])
