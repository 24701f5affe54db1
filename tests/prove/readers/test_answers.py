"""Readers' answers as a table: read as they are, every fault told at once, no reader named."""

from __future__ import annotations

import pandas
import pytest

from preceptor.core.errors import CohortError
from preceptor.prove.readers.answers import COLUMNS, read_answers

GOOD = "reader,key,arm,score,finding,seconds,date\nAnna,case-1,assisted,70,present,31.5,2026-03-01\nAnna,case-2,,10,absent,,\n"


def test_a_tidy_table(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(GOOD)
    table = read_answers(path)
    assert list(table.columns) == list(COLUMNS)
    assert table["arm"].tolist() == ["assisted", "unaided"]
    assert table["score"].tolist() == [70, 10]
    assert table["date"][0] == pandas.Timestamp("2026-03-01") and pandas.isna(table["date"][1])
    assert table["seconds"].isna().tolist() == [False, True]


def test_several_sheets_and_rows_not_yet_read(tmp_path):
    (tmp_path / "a.csv").write_text("reader,key,order,score,finding\nA,001,1,5,\nA,002,2,,\n")
    pandas.DataFrame({"reader": ["B"], "key": ["001"], "score": [3.0]}).to_parquet(tmp_path / "b.parquet")
    table = read_answers(tmp_path / "a.csv", tmp_path / "b.parquet")
    assert table["key"].tolist() == ["001", "001"] and table["reader"].tolist() == ["A", "B"]


def test_every_fault_is_told_with_its_row_and_no_reader(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(
        "reader,key,arm,score,finding,seconds,date\n"
        "Anna,case-1,unaided,high,,5,2026-03-01\n"
        "Anna,case-2,unaided,4,,-3,1/4/26\n"
        "Anna,case-3,unaided,4,,,\n"
        "Anna,case-3,unaided,5,,,\n"
        ",case-4,unaided,5,,,\n"
    )
    with pytest.raises(CohortError) as told:
        read_answers(path)
    said = str(told.value)
    assert len(told.value.problems) == 5
    for fault in (
        "row 2: the score is no number",
        "row 3: the seconds are negative",
        "row 3: the date can't be read",
        "row 5: a second answer",
        "row 6: the reader is empty",
    ):
        assert fault in said
    assert "Anna" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reader,score\nA,1\n", "no column 'key'"),
        ("reader,key\nA,1\n", "no column 'score' or 'finding'"),
        ("reader,key,score\nA,1,\n", "no row holds an answer"),
        ("reader,key,score\nA,1,nan\n", "no number"),
        ("reader,key,score\nA,1,inf\n", "no number"),
    ],
)
def test_what_is_missing(tmp_path, text, told):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(CohortError, match=told):
        read_answers(path)
    with pytest.raises(CohortError, match="not there"):
        read_answers(tmp_path / "absent.csv")
