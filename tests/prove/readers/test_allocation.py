"""Allocation: crossed, counterbalanced, washed out, and nothing on a reader's sheet that he must not know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.errors import CohortError
from preceptor.prove.readers.allocation import allocate, sheets
from preceptor.prove.readers.files import read_allocation, write_allocation

from ..answered import numbers
from .made import READERS, predictions


@given(
    readers=st.integers(1, 5),
    arms=st.integers(1, 3),
    cases=st.integers(30, 60),
    images=st.integers(1, 2),
    seed=st.integers(0, 9),
)
@settings(max_examples=10, deadline=None)
def test_every_reader_reads_every_case_once_in_every_arm_and_never_twice_in_a_session(
    readers, arms, cases, images, seed
):
    names = ["unaided", "assisted", "second look"][:arms]
    codes = [f"R{at}" for at in range(readers)]
    of = predictions(cases - cases % images, images=images)
    table = allocate(of, codes, arms=names, seed=seed, washout_days=14)
    assert len(table) == readers * arms * len(of.table)
    assert not table.duplicated(["reader", "key", "arm"]).any()
    assert not table.duplicated(["reader", "key", "session"]).any()
    assert (table["day"] == 14 * (table["session"] - 1)).all()
    # A patient's images are read in one arm of a session.
    patient = dict(zip(of.table["key"], of.table["patient"], strict=True))
    kept = table.assign(patient=table["key"].map(patient)).groupby(["reader", "session", "patient"])["arm"].nunique()
    assert (kept == 1).all()
    assert table.groupby(["reader", "session"])["order"].apply(lambda o: sorted(o) == list(range(1, len(o) + 1))).all()


def test_arms_are_balanced_over_sessions_cases_and_truth():
    of = predictions(120)
    table = allocate(of, READERS, seed=3)
    truth = dict(zip(of.table["key"], of.truth_index(), strict=True))
    counts = table.assign(truth=table["key"].map(truth)).groupby(["session", "arm", "truth"]).size()
    assert counts.unstack(["truth"]).nunique().max() == 1
    # Half of the readers see a case first with advice, the other half first without.
    first = table[(table["session"] == 1) & (table["arm"] == "assisted")].groupby("key").size()
    assert (first == len(READERS) / 2).all() and len(first) == 120


def test_orders_differ_between_readers_and_the_same_seed_gives_the_same_study():
    of = predictions(60)
    table = allocate(of, READERS, seed=3)
    assert table.equals(allocate(of, READERS, seed=3))
    assert not table.equals(allocate(of, READERS, seed=4))
    orders = {reader: tuple(rows[rows["session"] == 1]["key"]) for reader, rows in table.groupby("reader")}
    assert len(set(orders.values())) == len(READERS)


def test_planted_advice_is_wrong_and_the_rest_is_the_models_own():
    of = predictions(120)
    table = allocate(of, READERS, planted_wrong=0.15, seed=3)
    aided = table[table["arm"] == "assisted"].merge(
        of.table[["key", "truth", "answer", "probability_present"]], on="key"
    )
    planted = aided[aided["planted"]]
    assert planted["key"].nunique() == pytest.approx(0.15 * 120, abs=1)
    assert (planted["advice"] != planted["truth"]).all() and (planted["answer"] == planted["truth"]).all()
    # Its probability is one that the model might have given with that answer.
    assert ((planted["advice_score"] >= 0.5) == (planted["advice"] == "present")).all()
    assert set(planted["truth"]) == {"absent", "present"}
    honest = aided[~aided["planted"]]
    assert (honest["advice"] == honest["answer"]).all()
    assert honest["advice_score"].to_numpy() == pytest.approx(honest["probability_present"].to_numpy(), abs=5e-5)
    unaided = table[table["arm"] == "unaided"]
    assert (unaided["advice"] == "").all() and unaided["advice_score"].isna().all() and not unaided["planted"].any()
    assert not allocate(of, READERS, planted_wrong=0.0)["planted"].any()


def test_a_sheet_holds_nothing_that_its_reader_must_not_know(tmp_path):
    table = allocate(predictions(60), READERS, planted_wrong=0.2, seed=1)
    given = sheets(table)
    assert list(given) == list(READERS)
    for reader, sheet in given.items():
        assert {"planted", "truth"}.isdisjoint(sheet.columns)
        assert (sheet["reader"] == reader).all() and len(sheet) == 120
        assert (sheet["score"] == "").all()
    write_allocation(table, tmp_path)
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == [f"{code}.csv" for code in READERS]
    back = read_allocation(tmp_path / "allocation.csv")
    assert back["planted"].tolist() == table["planted"].tolist()
    with pytest.raises(CohortError, match="lies there already"):
        write_allocation(table, tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"readers": []}, "no reader is named"),
        ({"readers": ["A", "A"]}, "named twice"),
        ({"arms": ()}, "arms must be named"),
        ({"planted_wrong": 0.7}, "can't be planted"),
        ({"washout_days": -1}, "negative"),
        ({"arms": tuple("abcdefghijklmnopqrstuvwxyz")}, "can't be dealt into"),
        ({"finding": "lesion"}, "no class of these predictions"),
    ],
)
def test_what_is_no_study_is_refused(settings, told):
    with pytest.raises(CohortError, match=told):
        allocate(predictions(60), **({"readers": READERS} | settings))


def test_a_question_without_a_finding_is_refused():
    with pytest.raises(CohortError, match="asked for a finding"):
        allocate(numbers(np.arange(9.0), np.arange(9.0)), READERS)


def test_a_code_that_is_no_file_name_is_refused(tmp_path):
    with pytest.raises(CohortError, match="can't name a file") as told:
        write_allocation(allocate(predictions(60), ["../Dr Müller"]), tmp_path)
    assert "Müller" not in str(told.value)
