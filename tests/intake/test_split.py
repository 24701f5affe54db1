"""Splits: no person on two sides for any cohort, shares near those asked, the same for the same seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.intake.split import SHARES, folds, leave_one_out, refuse_leak, split

SITES = ["north", "south", "east", None]
FAST = settings(max_examples=150, deadline=None)


@st.composite
def cohorts(draw, smallest=8):
    """Any mixture of named and unnamed patients, merged groups, sites, and labels of which some are missing."""
    number = draw(st.integers(smallest, 60))
    people = draw(st.integers(smallest, number))
    cases = []
    for index in range(number):
        person = index if index < people else draw(st.integers(0, people - 1))
        merged = f"g{person // 2}" if draw(st.booleans()) and person < 4 else None
        cases.append(
            Case(
                key=f"c{index:03d}",
                images={"image": f"{index}.png"},
                patient=f"p{person}" if person % 5 else None,
                group=merged,
                labels={"label": draw(st.sampled_from([0, 1, 2, None, float("nan")]))},
                fields={"site": draw(st.sampled_from(SITES))},
            )
        )
    return Cohort(tuple(cases), Path())


def sides(cohort):
    found = defaultdict(set)
    for case in cohort:
        found[case.cluster].add(case.role)
    return found


def largest(cohort):
    return max(Counter(case.cluster for case in cohort).values())


@FAST
@given(cohorts(), st.integers(0, 5), st.sampled_from([None, "label", "site"]))
def test_nobody_is_on_two_sides_and_shares_are_near(cohort, seed, stratify):
    asked = {"train": 0.5, "tune": 0.1, "calibrate": 0.15, "test": 0.25}
    if len(sides(cohort)) < 4:
        return
    made = split(cohort, asked | {"stratify": stratify}, seed) if has(cohort, stratify) else None
    if made is None:
        return
    assert all(len(roles) == 1 for roles in sides(made).values())
    assert [case.key for case in made] == [case.key for case in cohort]
    counts = Counter(case.role for case in made)
    assert set(counts) == set(SHARES)
    for role, share in asked.items():
        assert abs(counts[role] - share * len(cohort)) <= 3 * largest(cohort) + 1
    assert made == split(cohort, asked | {"stratify": stratify}, seed)
    assert (
        made.digest() == split(cohort.with_cases(reversed(cohort.cases)), asked | {"stratify": stratify}, seed).digest()
    )


def has(cohort, name):
    return (
        name is None
        or any(case.labels.get(name) == case.labels.get(name) is not None for case in cohort)
        or any(case.fields.get(name) is not None for case in cohort)
    )


def test_shares_are_exact_to_a_case_where_each_person_has_one():
    cohort = Cohort(tuple(Case(f"c{i}", {"image": str(i)}, labels={"y": i % 2}) for i in range(100)), Path())
    asked = {"train": 0.6, "tune": 0.1, "calibrate": 0.1, "test": 0.2, "stratify": "y"}
    for seed in range(5):
        made = split(cohort, asked, seed)
        assert Counter((case.role, case.labels["y"]) for case in made) == {
            (role, y): round(asked[role] * 50) for role in SHARES for y in (0, 1)
        }
    assert split(cohort, asked, 0).digest() != split(cohort, asked, 1).digest()


def test_people_with_many_images_are_not_kept_for_training():
    """Dealing the largest first would leave the test set to people with one image each."""
    cases = [
        Case(f"p{p:02d}i{i}", {"image": "a"}, patient=f"p{p}") for p in range(40) for i in range(10 if p < 10 else 1)
    ]
    seen = Counter()
    for seed in range(40):
        made = split(Cohort(tuple(cases), Path()), {"train": 0.7, "test": 0.3}, seed)
        seen.update({case.patient for case in made.with_role("test") if int(case.patient[1:]) < 10})
    assert len(seen) == 10 and min(seen.values()) >= 3


@FAST
@given(cohorts(), st.integers(0, 3), st.integers(2, 4), st.sampled_from([None, "label"]))
def test_every_case_is_tested_once_and_by_others_than_its_people(cohort, seed, number, stratify):
    if len(sides(cohort)) < 2 * number or not has(cohort, stratify):
        return
    made = folds(cohort, number, seed, stratify=stratify)
    tested = Counter(case.key for part in made for case in part.with_role("test"))
    assert tested == dict.fromkeys((case.key for case in cohort), 1)
    for part in made:
        assert all(len(roles) == 1 for roles in sides(part).values())
    assert made == folds(cohort, number, seed, stratify=stratify)


def test_folds_keep_the_proportion_of_the_other_roles():
    cohort = Cohort(tuple(Case(f"c{i}", {"image": str(i)}) for i in range(200)), Path())
    dealt = split(cohort, {"train": 0.6, "tune": 0.1, "calibrate": 0.1, "test": 0.2}, 0)
    for part in folds(dealt, 5, 0):
        counts = Counter(case.role for case in part)
        assert counts["test"] == 40
        assert (counts["train"], counts["tune"], counts["calibrate"]) == (120, 20, 20)
    assert {case.role for case in folds(cohort, 4, 0)[0]} == {"train", "test"}


def site_cohort():
    cases = [
        Case(f"{site}{i}", {"image": "a"}, patient=f"{site}{i}", fields={"site": site})
        for site, number in (("north", 12), ("south", 6), ("east", 3))
        for i in range(number)
    ]
    cases.append(Case("crossing", {"image": "a"}, patient="north0", fields={"site": "south"}))
    cases.append(Case("nowhere", {"image": "a"}, patient="nobody"))
    return Cohort(tuple(cases), Path())


def test_folds_by_site_never_part_a_site():
    for part in folds(site_cohort(), 2, 0, by="site"):
        roles = defaultdict(set)
        for case in part:
            roles[case.fields.get("site")].add(case.role)
        assert roles["north"] == roles["south"]  # one person was seen at both
        assert all(len(found) == 1 for found in roles.values())
    with pytest.raises(CohortError, match="can't fill 4"):
        folds(site_cohort(), 4, 0, by="site")


def test_leaving_one_site_out():
    made = dict(leave_one_out(site_cohort(), "site"))
    assert list(made) == ["east", "north", "south", None]
    for value, part in made.items():
        assert {case.fields.get("site") for case in part.with_role("test")} == {value}
        assert value not in {case.fields.get("site") for case in part.with_role("train")}
        refuse_leak(part)
    assert made["north"].exclusions == (("seen under another site too", 1),)
    assert "crossing" not in {case.key for case in made["north"]}
    with pytest.raises(CohortError, match="1 value"):
        leave_one_out(site_cohort(), "scanner")


def test_held_out_values_take_their_people_out_of_training():
    asked = {"train": 0.8, "test": 0.2, "external": {"site": ["south"]}, "adapt": {"site": ["east"]}}
    made = split(site_cohort(), asked, 0)
    assert {case.fields["site"] for case in made.with_role("external")} == {"south"}
    assert {case.fields["site"] for case in made.with_role("adapt")} == {"east"}
    assert "north0" not in {case.key for case in made}  # the same person is external
    assert made.exclusions == (("the same person is held out under another value", 1),)
    assert {case.role for case in made} == {"train", "test", "external", "adapt"}
    with pytest.raises(CohortError, match="no case has site 'west'"):
        split(site_cohort(), asked | {"external": {"site": ["west"]}}, 0)
    for part in folds(made, 3, 0):
        assert part.with_role("external") == made.with_role("external")


def test_a_person_whom_two_roles_claim_is_external():
    rows = [("a", 1, "south"), ("a", 2, "east"), ("b", 3, "east"), ("c", 4, "north"), ("d", 5, "north")]
    asked = {"train": 0.5, "test": 0.5, "external": {"site": ["south"]}, "adapt": {"site": ["east"]}}
    made = split(seen(*rows), asked, 0)
    roles = {case.key: case.role for case in made}
    assert roles.pop("c03") != roles.pop("c04") and roles == {"c00": "external", "c02": "adapt"}


def test_a_column_that_may_hold_names_is_not_listed():
    def told(values):
        cohort = seen(*((f"p{number}", number, value) for number, value in enumerate(values)))
        with pytest.raises(CohortError) as caught:
            split(cohort, {"train": 0.5, "test": 0.5, "external": {"site": ["west"]}}, 0)
        return caught.value.problem.expected

    assert told(["north", "south"] * 3) == "one of north, south"
    assert told(["Ann", "Bob", "Cyd", "Dan", "Eve", "Fay"]) == "one of that column's 6 values"
    assert told(list("abcdefghijk") * 3) == "one of that column's 11 values"


def test_given_roles_are_kept_or_refused():
    cases = (
        Case("a", {"image": "a"}, patient="1", role="train"),
        Case("b", {"image": "b"}, patient="2", role="test"),
        Case("c", {"image": "c"}, patient="1", role="train"),
    )
    cohort = Cohort(cases, Path())
    assert split(cohort, {"given": True}, 0) is cohort
    leaking = Cohort((*cases, Case("d", {"image": "d"}, patient="2", role="train")), Path())
    with pytest.raises(CohortError, match="two roles at once: b, d"):
        split(leaking, {"given": True}, 0)
    assert not any(case.role is None for case in split(leaking, {"train": 0.5, "test": 0.5}, 0))


def test_what_cannot_be_dealt_is_refused():
    two = Cohort((Case("a", {"image": "a"}), Case("b", {"image": "b"})), Path())
    with pytest.raises(CohortError, match="can't fill 3"):
        split(two, {"train": 0.5, "tune": 0.2, "test": 0.3}, 0)
    with pytest.raises(CohortError, match="no case has 'grade'"):
        split(two, {"train": 0.5, "test": 0.5, "stratify": "grade"}, 0)


def test_numbers_are_spread_by_their_quintiles():
    cohort = Cohort(tuple(Case(f"c{i:03d}", {"image": "a"}, fields={"age": i + 0.5}) for i in range(100)), Path())
    made = split(cohort, {"train": 0.5, "test": 0.5, "stratify": "age"}, 3)
    for low in range(0, 100, 20):
        assert sum(low <= case.fields["age"] < low + 20 for case in made.with_role("test")) == 10
    # Dealt one by one as classes of their own, these would alternate between small and large.
    values = [number + 0.5 for number in range(10, 50)] + [number * 100 + 50.5 for number in range(10, 70)]
    cohort = Cohort(tuple(Case(f"c{i:03d}", {"image": "a"}, fields={"age": v}) for i, v in enumerate(values)), Path())
    made = split(cohort, {"train": 0.5, "test": 0.5, "stratify": "age"}, 3)
    assert sum(case.fields["age"] < 100 for case in made.with_role("test")) == 20


# ------------------------------------------------------------------ by field and by time


def seen(*rows):
    """``(patient, day, site)`` of each case."""
    return Cohort(
        tuple(
            Case(f"c{n:02d}", {}, patient, fields={"day": day, "site": site})
            for n, (patient, day, site) in enumerate(rows)
        ),
        Path(),
    )


@FAST
@given(cohorts(), st.integers(0, 99))
def test_a_split_by_site_parts_neither_a_site_nor_a_person(cohort, seed):
    try:
        made = split(cohort, {"by": "site", "train": 0.5, "test": 0.5}, seed)
    except CohortError as error:
        assert error.problem.code in ("too_few_clusters", "by_absent")
        return
    for of in (lambda case: case.cluster, lambda case: case.fields.get("site")):
        roles = defaultdict(set)
        for case in made:
            roles[of(case)].add(case.role)
        assert all(len(each) == 1 for each in roles.values())


def test_a_field_that_no_case_has_is_refused():
    with pytest.raises(CohortError) as caught:
        split(seen(("a", 1, "n"), ("b", 2, "s")), {"by": "sites", "train": 0.5, "test": 0.5}, 0)
    assert caught.value.problem.code == "by_absent" and "day, site" in caught.value.problem.expected
    with pytest.raises(CohortError) as caught:
        split(Cohort((Case("a", {}), Case("b", {})), Path()), {"by": "sites", "train": 0.5, "test": 0.5}, 0)
    assert caught.value.problem.expected == "patient or image"


def test_the_latest_are_tested_and_nobody_seen_before():
    rows = [(f"p{n}", f"2020-{1 + n:02d}-15", "n") for n in range(10)]
    rows += [("p1", "2021-01-01", "n"), ("p9", "2021-01-02", "n")]  # p1 comes back, p9 was tested before
    made = split(seen(*rows), {"time": "day", "train": 0.5, "tune": 0.25, "test": 0.25}, 0)
    roles = {case.key: case.role for case in made}
    assert [roles.get(f"c{n:02d}") for n in range(12)] == ["train"] * 6 + ["tune"] * 3 + ["test", None, "test"]
    assert "c10" not in roles and made.exclusions == (("seen before, in an earlier role", 1),)
    assert split(seen(*rows), {"time": "day", "train": 0.5, "tune": 0.25, "test": 0.25}, 7) == made, "no chance in it"


@FAST
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), min_size=6, max_size=60), st.floats(0.2, 0.8))
def test_every_test_case_is_later_than_every_training_case(rows, share):
    cohort = seen(*((f"p{person}", moment, "n") for person, moment in rows))
    try:
        made = split(cohort, {"time": "day", "train": share, "test": 1 - share}, 0)
    except CohortError as error:
        assert error.problem.code == "too_few_times"
        return
    train, test = ([case.fields["day"] for case in made.with_role(role)] for role in ("train", "test"))
    assert not train or not test or max(train) < min(test)
    assert len(made) + sum(number for _, number in made.exclusions) == len(cohort)


def test_a_time_nobody_can_read_is_refused():
    for value, code in ((None, "time_unknown"), ("soon", "time_unknown"), ("2020-01-01", "too_few_times")):
        with pytest.raises(CohortError) as caught:
            split(seen(*((f"p{n}", value, "n") for n in range(6))), {"time": "day", "train": 0.5, "test": 0.5}, 0)
        assert caught.value.problem.code == code


def test_prospective_cases_and_an_external_site():
    rows = [(f"p{n}", n, "south" if n % 5 == 0 else "north") for n in range(20)]
    settings_ = {"time": "day", "train": 0.75, "test": 0.25, "external": {"site": ["south"]}}
    made = split(seen(*rows), settings_, 0)
    assert {case.fields["site"] for case in made.with_role("external")} == {"south"}
    assert [case.fields["day"] for case in made.with_role("test")] == [16, 17, 18, 19]
