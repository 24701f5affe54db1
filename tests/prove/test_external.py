"""The change from the internal to an external cohort: what it is made of, how often its interval covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from preceptor.core.evidence import Evidence, Finding
from preceptor.maths.intervals import wilson
from preceptor.maths.unpaired import unpaired_difference
from preceptor.prove.comparing.external import changes, changes_within, in_the_large, with_changes
from preceptor.prove.judging import judge

from .answered import NOBODY, binary, numbers

EVALUATE = [{"roc": {"resamples": 200}}, {"calibration": {"resamples": 200}}]


def site(cases: int, shift: float = 0.0, skill: float = 2.0, seed: int = 0, refused: int = 0):
    """A phantom site: at `shift` 0 its probabilities are right, above it they are foretold too high."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, cases)
    log_odds = skill * (truth - 0.5) * skill + rng.normal(0, skill, cases)
    accepted = np.arange(cases) >= refused
    return binary(truth, 1 / (1 + np.exp(-(log_odds + shift))), patients=np.arange(cases), accepted=accepted)


def evidence(predictions) -> Evidence:
    return judge(predictions, NOBODY, EVALUATE, [])


def test_newcombes_example():
    """Newcombe 1998, table II (a): 56 of 70 against 48 of 80, method 10: .0524 to .3339."""
    found = unpaired_difference(56 / 70, wilson(56, 70)[:2], 48 / 80, wilson(48, 80)[:2])
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_how_often_the_interval_of_a_change_covers():
    """4,000 pairs of shares, .9 of 60 and .7 of 100: between 93 and 97.5 of 100."""
    rng = np.random.default_rng(3)
    covered = 0
    for first, second in zip(rng.binomial(60, 0.9, 4000), rng.binomial(100, 0.7, 4000), strict=True):
        found = unpaired_difference(first / 60, wilson(first, 60)[:2], second / 100, wilson(second, 100)[:2])
        covered += found.lower <= 0.2 <= found.upper
    assert 0.93 <= covered / 4000 <= 0.975


def test_a_site_like_the_first_shows_no_change_and_a_worse_one_does():
    home = evidence(site(400))
    same = changes(evidence(site(300, seed=1)), home)
    assert same["change.roc"].interval[0] < 0 < same["change.roc"].interval[1]
    assert "no change is shown" in same["change.roc"].notes
    away = evidence(site(300, shift=1.5, skill=0.7, seed=2))
    worse = changes(away, home)
    roc = worse["change.roc"]
    assert roc.value == pytest.approx(away["roc"].value - home["roc"].value)
    assert roc.interval[1] < 0 and "worse than internally, beyond chance" in roc.notes
    error = worse["change.calibration"]
    assert error.interval[0] > 0 and "worse than internally, beyond chance" in error.notes
    assert error.parts["intercept"].value < 0 and "changed beyond chance" in error.parts["intercept"].notes
    assert f"internal {home['roc'].value:.3f}" in roc.notes[0]


def test_risk_foretold_too_high_is_seen_in_the_large():
    right, high = (in_the_large(site(500, shift=shift, seed=4))["calibration_in_the_large"] for shift in (0.0, 2.0))
    assert right.interval[0] < 0 < right.interval[1]
    assert high.interval[1] < 0
    assert high.value == pytest.approx(_gap(site(500, shift=2.0, seed=4)))
    assert in_the_large(numbers(np.arange(5.0), np.arange(5.0))) == {}


def _gap(predictions) -> float:
    truth, probability = predictions.truth_index(), predictions.table["probability_present"]
    return float(truth.mean() - probability.mean())


def test_refusals_are_compared():
    home, away = evidence(site(200, refused=4)), evidence(site(100, seed=5, refused=40))
    change = changes(away, home)["change.refused"]
    assert change.value == pytest.approx(0.4 - 0.02) and change.interval[0] > 0.25
    assert change.notes == ("internal 4 of 200, external 40 of 100",)


def test_only_what_was_measured_alike_is_compared():
    home, away = evidence(site(200)), evidence(site(100, seed=6))
    other = replace(home["calibration"], definition="over 15 bins")
    without = replace(home, findings={"roc": replace(home["roc"], interval=None), "calibration": other})
    found = changes(away, without)
    assert "change.calibration" not in found and found["change.roc"].interval is None
    assert "no interval: one of the two has none" in found["change.roc"].notes
    undefined = replace(home, findings={"roc": replace(home["roc"], value=float("nan"))})
    assert "change.roc" not in changes(away, undefined)
    narrow = replace(home, findings={"roc": replace(home["roc"], level=0.9)})
    assert "90 %" in changes(away, narrow)["change.roc"].notes[1]


def test_cases_kept_apart_in_one_run_are_held_against_its_test_cases():
    import pandas

    home, away = site(300), site(200, skill=0.7, seed=2)
    moved = away.table.assign(role="external", key="away-" + away.table["key"], cluster="away-" + away.table["cluster"])
    whole = replace(home, table=pandas.concat([home.table, moved], ignore_index=True))
    found = changes_within(evidence(whole))
    assert set(found) == {"change.roc", "change.calibration"}
    apart = changes(evidence(away), evidence(home))["change.roc"]
    assert found["change.roc"].value == pytest.approx(apart.value)
    assert found["change.roc"].interval == pytest.approx(apart.interval, abs=0.03)
    assert changes_within(evidence(home)) == {}


def test_the_evidence_keeps_the_internal_figures_and_survives_being_written(tmp_path):
    home, there = evidence(site(200)), site(100, seed=7)
    whole = with_changes(evidence(there), home, there)
    whole.write(tmp_path / "evidence.json")
    back = Evidence.read(tmp_path / "evidence.json")
    assert {"roc", "calibration", "calibration_in_the_large", "change.roc", "change.refused"} <= set(back)
    kept = Finding.from_json(back.facts["internal"]["findings"]["roc"])
    assert kept.value == home["roc"].value and not kept.curves and not kept.per_case
    assert back["change.calibration.slope"].interval is not None
    with pytest.raises(KeyError):
        back["change.calibration.nothing"]
    with pytest.raises(KeyError):
        back["changes"]
