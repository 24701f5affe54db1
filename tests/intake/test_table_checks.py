"""Checks of tables: what each must tell, and the nearest thing it must let pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build
from preceptor.intake.columns import day_of, file_name, levels_of, number_in, number_of


def told(name, cases, task=None, **settings):
    check = build("checks", {name: settings})
    return [
        (problem.code, problem.severity, problem.cases) for problem in check(Cohort(tuple(cases), Path()), {}, task)
    ]


def labelled(column, values, **fields):
    """A case for each value, of a person of its own."""
    return [
        Case(
            f"c{n}",
            {"image": f"scan{n:03d}.png"},
            f"p{n}",
            labels={column: value},
            fields={k: v[n] for k, v in fields.items()},
        )
        for n, value in enumerate(values)
    ]


# ------------------------------------------------------------------ columns


def test_numbers_days_and_names():
    assert [number_of(value) for value in (3, "3.5", "x", None, float("nan"), True, float("inf"))] == [
        3.0,
        3.5,
        None,
        None,
        None,
        1.0,
        None,
    ]
    days = [day_of(value) for value in ("2021-03-04", "20210304", "04.03.2021", "2021-03-04T12:00:00", 20210304.0)]
    assert len({int(day) for day in days}) == 1 and days[3] == days[0] + 0.5
    assert [day_of(value) for value in (17, "12345678", "no", None, "1066-10-14")] == [None] * 5
    assert file_name(Case("a", {"image": "x/scan_007.nii.gz"})) == "scan_007" and number_in("scan_007") == 7
    assert file_name(Case("a", {"image": "x.npz::train_images::3"})) is None and number_in(None) is None
    assert levels_of([5, None, 1, 9], parts=2) == [1, None, 0, 1]


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["pneumonia", "normal"] * 10 + ["pnuemonia"], "label_slip"),
        (["Normal"] + ["normal", "ill"] * 10, "label_slip"),
        (["left", "right"] * 10 + ["both"], None),
        (["grade 1", "grade 2"] * 10, None),  # as near, and as frequent
        ([0, 1] * 10 + [-1], "label_placeholder"),
        ([0, 1] * 10 + ["todo"], "label_placeholder"),
        ([0, 1] * 10 + ["9"], "label_placeholder"),
        (list(range(10)) * 3, None),  # digits: 9 is one of them
        ([-3.5, -1, 0.2, 7, 99] * 5, None),  # measurements
        (["no", "yes"] * 10 + [None], None),
        ([1] * 12 + [None] * 9, "label_positive_only"),
        ([1] * 12 + [0] + [None] * 9, None),
        ([2] * 12, "label_constant"),
        ([2] * 5, None),
    ],
)
def test_columns_of_labels(values, code):
    found = told("label_columns", labelled("finding", values))
    assert [each[0] for each in found] == ([] if code is None else [code])
    assert all(severity == "error" for _, severity, _ in found)
    task = build("tasks", {"classification": {"classes": {"a": [0]}, "label": "finding"}})
    assert told("label_columns", labelled("finding", values), task) == [], "the label that is asked is judged elsewhere"


def test_follow_up_that_cannot_be():
    def cases(months, events):
        return [
            Case(f"c{n}", {}, labels={"months": m, "event": e})
            for n, (m, e) in enumerate(zip(months, events, strict=True))
        ]

    assert told("label_columns", cases([1.5, 3, 60] * 5, [0, 1, 1] * 5)) == []
    found = told("label_columns", cases([1.5, 0, -3, "x", None], [0, 1, 2, 1, "yes"]))
    assert found == [("follow_up_value", "error", ("c1", "c2", "c3")), ("follow_up_value", "error", ("c2", "c4"))]


# ------------------------------------------------------------------ confounding


def test_a_label_that_the_site_tells():
    rng = np.random.default_rng(1)
    ill = (rng.random(200) < 0.5).astype(int)
    where = np.where(rng.random(200) < 0.04, 1 - ill, ill)
    assert [each[:2] for each in told("confounded_labels", labelled("ill", ill.tolist(), site=where.tolist()))] == [
        ("label_confounded", "warning")
    ]
    loose = np.where(rng.random(200) < 0.25, 1 - ill, ill)
    assert told("confounded_labels", labelled("ill", ill.tolist(), site=loose.tolist())) == []
    assert told("confounded_labels", labelled("ill", ill.tolist(), site=where.tolist()), least_area=0.99) == []
    few = labelled("ill", [1] * 6 + [0] * 60, site=["a"] * 6 + ["b"] * 60)
    assert told("confounded_labels", few) == [], "six people say nothing"


def test_chance_is_not_told():
    """Two hundred columns of noise, with two to forty levels and as numbers: none reaches the limit."""
    rng = np.random.default_rng(2)
    ill = (rng.random(120) < 0.3).astype(int).tolist()
    fields = {f"f{n}": rng.integers(0, 2 + n % 40, 120).tolist() for n in range(150)}
    fields |= {f"g{n}": rng.normal(size=120).tolist() for n in range(50)}
    assert told("confounded_labels", labelled("ill", ill, **fields), least_area=0.7) == []


def test_names_and_dates_that_tell_the_label():
    rng = np.random.default_rng(3)
    late = (np.arange(100) >= 50).astype(int).tolist()
    (found,) = build("checks", "confounded_labels")(Cohort(tuple(labelled("late", late)), Path()), {}, None)
    assert found.what.startswith("the number in the file's name alone tells 'late'")
    days = [f"2020-{1 + n // 9:02d}-{1 + n % 28:02d}" for n in range(100)]
    shuffled = rng.permutation(100)
    cases = labelled("late", [late[n] for n in shuffled], examined=[days[n] for n in shuffled])
    (found,) = build("checks", "confounded_labels")(Cohort(tuple(cases), Path()), {}, None)
    assert found.what.startswith("the field 'examined' alone")
    named = [
        Case(f"c{n}", {"image": f"{'ab'[late[n]]}{rng.integers(999)}.png"}, labels={"late": late[n]}) for n in shuffled
    ]
    (found,) = build("checks", "confounded_labels")(Cohort(tuple(named), Path()), {}, None)
    assert found.what.startswith("the letters of the file's name")


def test_one_person_does_not_foretell_themselves():
    """Twenty people, a site each: five images of a person share site and label, and nobody else has that site."""
    cases = [
        Case(
            f"c{n}",
            {"image": f"{n * 7919 % 1000}.png"},
            f"p{n // 5}",
            labels={"ill": n // 5 % 2},
            fields={"site": f"s{n // 5}"},
        )
        for n in range(100)
    ]
    assert told("confounded_labels", cases) == []


# ------------------------------------------------------------------ units, identifiers, people


@pytest.mark.parametrize("factor", [10, 100, 1000, 30.44, 2.54, 365.25])
def test_two_units_in_a_column(factor):
    rng = np.random.default_rng(4)
    heights = rng.normal(170, 8, 60)
    assert told("mixed_units", labelled("ill", [0] * 60, height=heights.tolist())) == []
    heights[7:10] *= factor
    assert told("mixed_units", labelled("ill", [0] * 60, height=heights.tolist())) == [
        ("units_mixed", "warning", ("c7", "c8", "c9"))
    ]
    assert [each[0] for each in told("mixed_units", labelled("height", heights.tolist()))] == ["units_mixed"]


def test_groups_that_no_unit_parts_and_wide_columns():
    rng = np.random.default_rng(5)
    two = np.concatenate([rng.normal(170, 5, 30), rng.normal(170 * 4.6, 20, 30)])
    assert told("mixed_units", labelled("ill", [0] * 60, value=two.tolist())) == []
    # Weeks and days are a factor of 7 apart: 7 times as much would lie among the others, but these are 4.5 times less.
    apart = [38.0, 38.5, 39.0, *np.geomspace(100, 300, 57)]
    assert told("mixed_units", labelled("ill", [0] * 60, value=apart)) == []
    wide = np.exp(rng.normal(4, 1.5, 60))
    assert told("mixed_units", labelled("ill", [0] * 60, value=wide.tolist())) == []
    one_giant = [*rng.normal(170, 5, 59), 1700.0]
    assert told("mixed_units", labelled("ill", [0] * 60, value=one_giant)) == [], "a single one is an outlier"
    codes = [1, 10] * 30
    assert told("mixed_units", labelled("ill", [0] * 60, value=codes)) == []


def test_identifiers_that_occur_twice():
    names = [f"C{n}" for n in range(30)]
    assert told("repeated_identifiers", labelled("ill", [0] * 30, case_id=names)) == []
    names[4] = " c3 "
    assert told("repeated_identifiers", labelled("ill", [0] * 30, case_id=names)) == [
        ("identifier_twice", "error", ("c3", "c4"))
    ]
    assert told("repeated_identifiers", labelled("ill", [0] * 30, study_name=names)) == []
    assert told("repeated_identifiers", labelled("ill", [0] * 30, study_name=names), identifiers=["study_name"])
    halves = [f"C{n // 2}" for n in range(30)]
    assert told("repeated_identifiers", labelled("ill", [0] * 30, case_id=halves)) == [], "two images a case are meant"


def test_people_under_two_ids():
    def cases(**fields):
        return [Case(f"c{n}", {}, f"p{n}", fields={k: v[n] for k, v in fields.items()}) for n in range(3)]

    same = {"name": ["DOE^JANE", "doe jane", "ROE^JIM"], "birth_date": ["19700101", "19700101", "19700101"]}
    assert told("aliased_patients", cases(**same)) == [("patient_aliased", "error", ("c0", "c1"))]
    assert told("aliased_patients", cases(name=same["name"])) == [], "a name alone is many people's"
    assert told("aliased_patients", cases(person_hash=["a", "b", "c"])) == []
    merged = [Case(each.key, {}, each.patient, fields=each.fields, group="g") for each in cases(**same)]
    assert told("aliased_patients", merged) == []
    check = build("checks", "aliased_patients")
    (problem,) = check(Cohort(tuple(cases(**same)), Path()), {}, None)
    assert "doe" not in str(problem).lower() and "1970" not in str(problem)


def test_rows_whose_image_is_not_there(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(16, dtype=np.uint8).reshape(4, 4))
    (tmp_path / "cases.csv").write_text("image,ill\na.npy,1\nb.npy,0\nc.npy,1\n")
    from preceptor.intake.cohort import build_cohort

    cohort = build_cohort(build("datasets", {"table": {"file": "cases.csv", "labels": ["ill"]}}, root=tmp_path))
    (problem,) = build("checks", "lost_rows")(cohort, {}, None)
    assert problem.what == "2 rows name an image that is not there, and 1 remain"
    dropped = cohort.select(lambda case: False, "left out by the recipe")
    assert len(build("checks", "lost_rows")(dropped, {}, None)) == 1, "what a recipe leaves out is no loss"
