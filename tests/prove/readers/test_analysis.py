"""Analysis of a reader study: what was planted is found, what was not is not, and nothing is left out unsaid."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

from preceptor.core.errors import CohortError
from preceptor.maths.agreement import cohen_kappa, cross_table
from preceptor.maths.reader_study import obuchowski_rockette
from preceptor.maths.roc import auroc
from preceptor.maths.simulated_readers import SimulatedReader
from preceptor.prove.readers.allocation import allocate
from preceptor.prove.readers.analysis import analyse
from preceptor.prove.readers.section import readers_section, write_readers_page

from .made import READERS, answers, predictions

QUICK = {"resamples": 200}


@pytest.fixture(scope="module")
def study():
    """Four readers who follow advice, wrong or right."""
    of = predictions(180)
    allocation = allocate(of, READERS, planted_wrong=0.2, seed=2)
    readers = {code: SimulatedReader(skill=1.4 + 0.05 * at, reliance=1.5, haste=0.3) for at, code in enumerate(READERS)}
    given = answers(allocation, of, readers)
    return of, allocation, given, analyse(given, of, allocation=allocation, washout_days=28, **QUICK)


def _crossed(of, given):
    """``(arm, reader, case)`` scores, assisted first, and the truth."""
    truth = pandas.Series(of.truth_index(), of.table["key"])
    wide = given.pivot(index=["arm", "reader"], columns="key", values="score")
    scores = np.stack([wide.loc[arm].to_numpy() for arm in ("assisted", "unaided")])
    return truth[wide.columns].to_numpy(), scores


def test_figures_are_those_of_plain_arithmetic(study):
    of, _, given, found = study
    truth, scores = _crossed(of, given)
    for at, arm in enumerate(("assisted", "unaided")):
        areas = [auroc(truth, each) for each in scores[at]]
        assert found[f"readers.auroc.{arm}"].value == pytest.approx(np.mean(areas))
        assert [found[f"readers.auroc.{arm}"].parts[code].value for code in READERS] == pytest.approx(areas)
        model = auroc(truth, of.table.set_index("key").loc[sorted(of.table["key"]), "probability_present"].to_numpy())
        assert found[f"readers.model_minus_{arm}"].value == pytest.approx(model - np.mean(areas))
    whole = obuchowski_rockette(truth, scores)
    got = found["readers.assistance"]
    expected = (whole.random.difference, whole.random.lower, whole.random.upper)
    assert (got.value, *got.interval) == pytest.approx(expected)
    fixed = got.parts["these_readers"]
    assert fixed.interval == pytest.approx((whole.fixed_readers.lower, whole.fixed_readers.upper))
    said = given.assign(said=(given["finding"] == "present").astype(int))
    wide = said[said["arm"] == "unaided"].pivot(index="reader", columns="key", values="said").to_numpy()
    pair = found["readers.agreement.unaided"].parts["R1 and R3"]
    assert pair.value == pytest.approx(cohen_kappa(cross_table(wide[0], wide[2], 2)).value)
    right = [np.mean(row[truth == 1]) for row in wide]
    assert found["readers.sensitivity.unaided"].value == pytest.approx(np.mean(right))
    seconds = given.groupby("arm")["seconds"].mean()
    assert found["readers.seconds"].value == pytest.approx(seconds["assisted"] - seconds["unaided"])


def test_over_reliance_is_agreement_with_planted_advice_beyond_unaided(study):
    _, allocation, given, found = study
    planted = allocation[allocation["planted"]].drop_duplicates("key").set_index("key")["advice"]
    rows = given[given["key"].isin(planted.index)]
    agreed = (rows["finding"] == rows["key"].map(planted)).groupby(rows["arm"]).mean()
    over = found["readers.over_reliance"]
    assert over.value == pytest.approx(agreed["assisted"] - agreed["unaided"])
    assert over.cases == len(planted) and over.interval[0] > 0 and over.higher_is_better is False
    assert f"{agreed['assisted']:.0%}".replace("%", " %") in over.notes[0]
    assert found["readers.seconds"].interval[1] < 0


def test_the_models_own_errors_are_kept_apart_from_planted_ones(study):
    of, allocation, given, found = study
    table = of.table.set_index("key")
    planted = set(allocation.loc[allocation["planted"], "key"])
    wrong = table[(table["truth"] != table["answer"]) & ~table.index.isin(planted)]
    right = table[(table["truth"] == table["answer"]) & ~table.index.isin(planted)]
    for name, cases in (("followed_errors", wrong), ("sound_reliance", right)):
        rows = given[given["key"].isin(cases.index)]
        agreed = (rows["finding"] == rows["key"].map(cases["answer"])).groupby(rows["arm"]).mean()
        assert found[f"readers.{name}"].value == pytest.approx(agreed["assisted"] - agreed["unaided"])
        assert found[f"readers.{name}"].cases == len(cases)
    assert len(wrong) > 5


def test_readers_who_ignore_advice_do_not_rely_on_it():
    """Eight studies: over-reliance and assistance are found in about one of twenty where there is none."""
    alarms = 0
    for seed in range(8):
        of = predictions(90, seed=seed)
        allocation = allocate(of, READERS, planted_wrong=0.2, seed=seed)
        given = answers(allocation, of, SimulatedReader(reliance=0.0), seed=100 + seed)
        found = analyse(given, of, allocation=allocation, resamples=100)
        for name in ("readers.over_reliance", "readers.assistance"):
            alarms += not found[name].interval[0] <= 0 <= found[name].interval[1]
    assert alarms <= 3  # of 16; more than 3 in one of 150


def test_a_model_that_ranks_better_exceeds_the_average_reader_and_is_said_to():
    of = predictions(240, skill=3.5)
    given = answers(allocate(of, READERS, arms=("unaided",)), of, SimulatedReader(skill=1.2))
    found = analyse(given, of, **QUICK)["readers.model_minus_unaided"]
    assert found.interval[0] > 0 and found.notes[0].startswith("the model exceeds the average reader")
    weak = analyse(
        answers(allocate(of, READERS, arms=("unaided",)), of, SimulatedReader(skill=4.5, noise=0.5)),
        predictions(240, skill=0.5),
        **QUICK,
    )["readers.model_minus_unaided"]
    assert weak.interval[1] < 0 and "exceeds the model" in weak.notes[0]


def test_what_is_not_crossed_is_left_out_and_counted(study):
    of, allocation, given, _ = study
    fewer = given.drop(given[(given["reader"] == "R2") & (given["key"] == "case-7")].index)
    strange = fewer.assign(key=fewer["key"].replace("case-9", "elsewhere"))
    found = analyse(strange, of, allocation=allocation, **QUICK)
    notes = found["readers.model"].notes
    assert found["readers.model"].cases == 178
    assert any(note.startswith("8 answers to cases without a prediction") for note in notes)
    late = analyse(fewer, of, washout_days=60, **QUICK)["readers.model"].notes
    assert "1 case not read by every reader in every arm, left out" in late
    assert any("seen again by a reader within 60 days" in note for note in late)
    with pytest.raises(CohortError, match="no case was read by every reader"):
        analyse(given[given["reader"].eq("R1") ^ given["arm"].eq("assisted")], of, **QUICK)


def test_a_table_with_less_in_it_says_less(study):
    of, allocation, given, _ = study
    scores = analyse(given.assign(finding="", seconds=np.nan), of, allocation=allocation, **QUICK)
    assert "readers.assistance" in scores and "readers.over_reliance" not in scores and "readers.seconds" not in scores
    assert set(scores["readers.agreement.unaided"].parts) == {"icc_2_1", "icc_3_1"}
    words = analyse(given.assign(score=np.nan), of, allocation=allocation, **QUICK)
    assert "readers.auroc.unaided" not in words and words["readers.sensitivity.assisted"].value > 0
    lone = analyse(given[given["reader"] == "R1"], of, **QUICK)
    assert any("one reader" in note for note in lone["readers.auroc.unaided"].notes)
    assert "readers.assistance" not in lone and "readers.agreement.unaided" not in lone
    with pytest.raises(CohortError, match="nothing is the same everywhere"):
        analyse(given.assign(score=given["score"].where(given["reader"] == "R1"), finding=""), of, **QUICK)
    with pytest.raises(CohortError, match="neither class: cancer"):
        analyse(given.assign(finding="cancer"), of, **QUICK)


def test_images_of_one_patient_do_not_count_as_patients():
    of = predictions(160, images=4)
    given = answers(allocate(of, READERS), of, SimulatedReader())
    found = analyse(given, of, **QUICK)
    assert found["readers.auroc.unaided"].clusters == 40 and found["readers.auroc.unaided"].cases == 160
    assert "40 patients" in found["readers.assistance"].method
    assert "too narrow" in found["readers.agreement.unaided"].notes[0]


def test_the_section_says_who_exceeds_whom_and_escapes_what_it_is_given(study, tmp_path):
    found = study[-1]
    text = str(readers_section(found, study[0].question))
    assert "Shown wrong advice, readers follow it in about" in text
    assert "of 100 cases" not in str(readers_section(found))
    assert "Readers follow wrong advice that they would not have given." in text
    assert text.count("<figure") == 2 and "ICC(2,1)" in text and "<svg" in text
    assert str(readers_section({"roc": found["readers.model"]})) == ""
    harm = {**found, "readers.auroc.<b>": found["readers.auroc.unaided"]}
    assert "<b>" not in str(readers_section(harm))
    page = write_readers_page(found, tmp_path / "out")
    whole = page.read_text()
    assert "http" not in whole.replace("http-equiv", "") and whole.endswith("</html>\n")
    assert (tmp_path / "out" / "evidence.json").is_file()
