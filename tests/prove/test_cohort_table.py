"""A cohort's fields as numbers: groups as columns, what tells nothing left out, and never a test case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Question
from preceptor.prove.explaining.cohort_table import cohort_table


class Findings:
    question, mask, varies = Question("multilabel", "findings", ("oedema", "mass"), exclusive=False), None, False

    def encode(self, case):
        return {"findings": np.array([case.labels.get("oedema", np.nan), case.labels.get("mass", np.nan)])}


def cohort():
    fields = [{"age": 40, "sex": "F", "ward": "a", "machine": "X", "note": f"seen {number}"} for number in range(16)]
    for number, each in enumerate(fields):
        each["sex"] = "FM"[number % 2]
        each["ward"] = "abc"[number % 3]
        each["age"] = None if number == 2 else 40 + number
    cases = [
        Case(f"k{number}", {"view": "x"}, f"p{number // 2}", labels={"oedema": number % 2}, fields=each, role="train")
        for number, each in enumerate(fields)
    ]
    tested = Case("t", {"view": "x"}, "pt", labels={"oedema": 1}, fields={"age": 99, "ward": "z"}, role="test")
    return Cohort((*cases, tested), Path())


def test_groups_become_columns_and_what_tells_nothing_is_named():
    table = cohort_table(cohort(), Findings())
    assert table.names == ("age", "sex=M", "ward=a", "ward=b", "ward=c") and table.features.shape == (16, 5)
    assert np.isnan(table.features[2, 0]) and table.features[3].tolist() == [43, 1, 1, 0, 0]
    assert set(table.left_out) == {"machine", "note"} and "same for every case" in table.left_out["machine"]
    assert table.truths["oedema"][:2] == ["no", "yes"] and set(table.truths["mass"]) == {None}
    assert table.clusters[0] == table.clusters[1] != table.clusters[2] and len(table.clusters) == 16


def test_fields_that_are_not_there_are_named():
    with pytest.raises(CohortError, match="no case has the field site"):
        cohort_table(cohort(), Findings(), ["age", "site"])
    with pytest.raises(CohortError, match="no field varies"):
        cohort_table(cohort(), Findings(), ["machine"])
    with pytest.raises(CohortError, match="0 cases"):
        cohort_table(cohort(), Findings(), roles=("external",))
