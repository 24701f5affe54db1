"""Made-up tables: fitted on training rows alone, as useful as the copula allows, nobody's rows, refused otherwise."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from preceptor.cli import main
from preceptor.core.errors import CohortError, RecipeError, Refusal
from preceptor.intake.synthesis import synthetic_table
from preceptor.intake.synthesis.synthetic_table import synthesise_table
from preceptor.intake.synthesis.table_columns import fit_columns


def clinic(rows: int = 400, seed: int = 0) -> pandas.DataFrame:
    """People whose outcome follows age, a marker and a grade."""
    rng = np.random.default_rng(seed)
    age, marker = rng.normal(60, 11, rows).round(), rng.gamma(2, 3, rows).round(2)
    grade = np.digitize(rng.normal(0, 1, rows) + 0.04 * (age - 60), [-0.5, 0.8])
    ill = 0.08 * (age - 60) + 0.25 * (marker - 6) + 0.9 * (grade - 1) + rng.logistic(size=rows) > 0
    table = pandas.DataFrame(
        {
            "patient": [f"P{number // 2:04}" for number in range(rows)],
            "age": age,
            "marker": np.where(rng.random(rows) < 0.2, np.nan, marker),
            "grade": np.array(["low", "medium", "high"])[grade],
            "sex": rng.choice(["F", "M"], rows),
            "outcome": np.where(ill, "ill", "well"),
            "remarks": [f"seen by {number}" for number in range(rows)],
        }
    )
    table.loc[:1, "sex"] = "unspecified"
    return table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    clinic().to_csv(folder / "real.csv", index=False)
    return synthesise_table(folder / "real.csv", folder / "out", label="outcome", rows=600, seed=4)


def test_the_rows_look_like_the_real_ones(made):
    rows, real = pandas.read_csv(made.path), clinic()
    assert list(rows) == ["age", "marker", "grade", "sex", "outcome"] and len(rows) == 600
    assert set(made.record["left_out"]) == {"patient", "remarks"}
    assert rows["age"].mean() == pytest.approx(real["age"].mean(), abs=2) and (rows["age"] == rows["age"].round()).all()
    assert rows["marker"].isna().mean() == pytest.approx(0.2, abs=0.06) and rows["marker"].min() >= 0
    assert set(rows["grade"]) == {"low", "medium", "high"} and set(rows["sex"]) == {"F", "M"}, (
        "two people tell themselves"
    )
    for rest in (rows, real):
        apart = rest.groupby("outcome")["age"].mean()
        assert 2.5 < apart["ill"] - apart["well"] < 12


def test_what_can_be_learnt_is_kept_and_measured_on_real_rows(made):
    found = made.record["utility"]
    for model, lost in (("logistic", 0.03), ("forest", 0.1)):
        assert found[model]["real"]["auroc"] > 0.75
        assert found[model]["synthetic"]["auroc"] > found[model]["real"]["auroc"] - lost
        apart = found[model]["synthetic"]["auroc"] - found[model]["real"]["auroc"]
        assert found[model]["difference"]["auroc"] == pytest.approx(apart, abs=2e-4)
        lower, upper = found[model]["synthetic"]["interval"]
        assert lower < found[model]["synthetic"]["auroc"] < upper


def test_nobodys_row_is_in_it_and_it_keeps_no_nearer_to_whom_it_was_learnt_from(made):
    rows = pandas.read_csv(made.path)
    real = clinic()[list(rows)]
    both = rows.astype(object).where(rows.notna(), None), real.astype(object).where(real.notna(), None)
    ours, theirs = (set(each.itertuples(index=False, name=None)) for each in both)
    assert len(ours & theirs) <= made.record["copies"]["of_holdout"], "chance alone, and nobody it was learnt from"
    assert 0.35 < made.record["privacy"]["share"] < 0.65


def test_held_out_rows_change_nothing(tmp_path):
    table = clinic()
    table["role"] = np.where(np.arange(len(table)) < 200, "train", "test")
    other = table.copy()
    held, rng = other["role"] == "test", np.random.default_rng(0)
    for name in ("age", "grade", "marker"):
        other.loc[held, name] = rng.permutation(other.loc[held, name])
    other.loc[200:204, "grade"] = "unheard of"
    made = []
    for name, each in (("a", table), ("b", other)):
        each.to_csv(tmp_path / f"{name}.csv", index=False)
        made.append(synthesise_table(tmp_path / f"{name}.csv", tmp_path / name, label="outcome"))
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert made[0].record["columns"] == made[1].record["columns"]


def test_a_patient_on_both_sides_is_refused(tmp_path):
    table = clinic()
    table["role"] = np.where(np.arange(len(table)) % 2, "train", "test")
    table.to_csv(tmp_path / "real.csv", index=False)
    with pytest.raises(CohortError, match="same patients"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out")


def test_no_value_of_one_person_is_kept():
    table = clinic()
    table.loc[0, "age"] = 113.0
    fitted, _ = fit_columns(table, label="outcome")
    age = next(column for column in fitted if column.name == "age")
    assert age.knots[-2] < 105 and age.knots[-1] < 113
    grade = next(column for column in fitted if column.name == "grade")
    assert grade.categories == ("high", "medium", "low") or grade.categories == ("low", "medium", "high")


def test_gaps_of_a_few_and_categories_without_end_are_nobodys():
    table = clinic()
    table["ward"] = [f"ward {number % 40}" for number in range(len(table))]
    table["day"] = [f"day {number % 30}" for number in range(len(table))]
    table.loc[:3, "age"] = np.nan
    fitted, left_out = fit_columns(table, label="outcome")
    gaps = {column.name: column.gaps for column in fitted}
    assert gaps["age"] == 0 and gaps["marker"] == pytest.approx(table["marker"].isna().mean())
    assert "free text" in left_out["ward"] and "day" in gaps


def test_a_column_that_mixes_numbers_and_marks_is_left_out_and_says_why():
    table = clinic()
    table["marker"] = [f"{value:.3f}" if number % 4 else "<5" for number, value in enumerate(table["marker"].fillna(0))]
    table["seen"] = pandas.date_range("2020-01-01", periods=len(table)).astype(str)
    fitted, left_out = fit_columns(table, label="outcome")
    assert "free text" in left_out["marker"] and "free text" in left_out["seen"] and "identifier" in left_out["patient"]
    assert [column.name for column in fitted] == ["age", "grade", "sex", "outcome"]


def test_a_table_in_which_everybody_is_somebody_is_refused(tmp_path):
    coarse = pandas.DataFrame({"a": ["x", "y"] * 100, "b": ["u", "u", "v", "v"] * 50})
    coarse.to_csv(tmp_path / "real.csv", index=False)
    with pytest.raises(Refusal, match="can't help repeating"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    clinic(60).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(CohortError, match="too few"):
        synthesise_table(tmp_path / "few.csv", tmp_path / "out")


def test_a_generator_that_learns_by_heart_is_refused(tmp_path, monkeypatch):
    clinic().to_csv(tmp_path / "real.csv", index=False)

    def by_heart(columns, training, number, seed):
        rows = training[[column.name for column in columns]].copy()
        rows["age"] += 0.25
        return rows, 0

    monkeypatch.setattr(synthetic_table, "_made", by_heart)
    with pytest.raises(Refusal, match="nearer to a training record"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is left of it"


def test_labels_without_classes_are_refused(tmp_path):
    clinic().to_csv(tmp_path / "real.csv", index=False)
    with pytest.raises(CohortError, match="no classes"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out", label="age")
    with pytest.raises(RecipeError, match="0 rows"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out", rows=0)
    with pytest.raises(CohortError, match="no column 'outcom'"):
        synthesise_table(tmp_path / "real.csv", tmp_path / "out", label="outcom")


def test_the_command_makes_a_table_and_finds_it_again(tmp_path, capsys):
    clinic().to_csv(tmp_path / "real.csv", index=False)
    out = tmp_path / "out"
    command = ["synthesise", "table", str(out), "--from", str(tmp_path / "real.csv"), "--label", "outcome"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["table"] == str(out / "table.csv") and said["rows"]["made"] == said["rows"]["training"] == 200
    before = (out / "table.csv").stat().st_mtime_ns
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "left out: remarks" in text and "outcome foretold by forest" in text
    assert (out / "table.csv").stat().st_mtime_ns == before
    assert main([*command, "--seed", "1"]) == 3, "another table lies there"
    assert main([*command, "--seed", "1", "--fresh"]) == 0
    assert main(["synthesise", "table", str(out)]) == 2 and main(["synthesise", "lesions", "x", "--from", "y.csv"]) == 2


def test_a_real_table_of_patients(shared_data, tmp_path):
    source = shared_data("survival_deepsurv") / "gbsg.csv"
    made = synthesise_table(source, tmp_path / "out", label="event", leave_out=["split"])
    found = made.record["utility"]["logistic"]
    assert found["real"]["auroc"] > 0.85 and found["synthetic"]["auroc"] > found["real"]["auroc"] - 0.02
    assert made.record["copies"]["of_training"] == 0 and 0.4 < made.record["privacy"]["share"] < 0.6
