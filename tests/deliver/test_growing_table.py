"""The table of predictions: what is in it survives, and it is not written anew for every row."""

from __future__ import annotations

import pandas
import pytest

from preceptor.deliver import growing_table
from preceptor.deliver.growing_table import GrowingTable


def test_rows_survive_whatever_ends_the_work(tmp_path):
    path = tmp_path / "predictions.csv"
    with pytest.raises(KeyboardInterrupt), GrowingTable(path) as table:
        for number in range(30):
            table.add({"key": f"{number:03d}", "answer": None if number == 3 else "yes", "p": number / 7})
        raise KeyboardInterrupt
    again = GrowingTable(path)
    assert list(again.rows) == [f"{number:03d}" for number in range(30)]
    assert again.rows["003"]["answer"] is None and again.rows["010"]["p"] == pytest.approx(10 / 7)


def test_the_first_row_is_there_at_once(tmp_path):
    GrowingTable(tmp_path / "t.csv").add({"key": "a"})
    assert pandas.read_csv(tmp_path / "t.csv")["key"].tolist() == ["a"]


def test_writing_takes_a_twentieth_of_the_time(tmp_path, monkeypatch):
    """A clock on which writing takes a second and a row half of one."""
    clock, written = [100.0], []
    monkeypatch.setattr(growing_table.time, "monotonic", lambda: clock[0])

    def write(self, path, index):
        clock[0] += 1.0
        written.append(len(self))
        path.write_text("key\n")

    monkeypatch.setattr(pandas.DataFrame, "to_csv", write)
    with GrowingTable(tmp_path / "t.csv") as table:
        for number in range(100):
            clock[0] += 0.5
            table.add({"key": str(number)})
    assert written == [1, 41, 81, 100]


def test_nothing_done_writes_nothing(tmp_path):
    with GrowingTable(tmp_path / "t.csv"):
        pass
    assert not (tmp_path / "t.csv").exists()
