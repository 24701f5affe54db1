"""``preceptor readers``: from predictions to sheets, from filled sheets to a page."""

from __future__ import annotations

import json

import pandas
import pytest

from preceptor.cli import main
from preceptor.maths.simulated_readers import SimulatedReader

from ..prove.readers.made import answers, predictions


@pytest.fixture
def table(tmp_path):
    of = predictions(90)
    columns = ["key", "patient", "truth", "probability_absent", "probability_present"]
    of.table[columns].to_csv(tmp_path / "theirs.csv", index=False)
    return of, tmp_path


def test_from_predictions_to_a_page(table, capsys):
    of, folder = table
    out = folder / "study"
    command = ["readers", "allocate", str(folder / "theirs.csv"), "--out", str(out), "--json"]
    assert main([*command, "--reader", "R1", "--reader", "R2", "--reader", "R3"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["readings"], said["cases"], said["planted"]) == (540, 90, 9)
    allocation = pandas.read_csv(out / "allocation.csv")
    filled = answers(allocation, of, SimulatedReader(reliance=1.4))
    sheets = []
    for reader, rows in filled.groupby("reader"):
        sheets.append(str(folder / f"{reader}.csv"))
        rows.to_csv(sheets[-1], index=False)
    command = ["readers", "analyse", str(folder / "theirs.csv"), *sheets, "--out", str(folder / "found")]
    assert main([*command, "--allocation", str(out / "allocation.csv"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"readers.assistance", "readers.over_reliance", "readers.model_minus_unaided"} <= set(said["findings"])
    assert (folder / "found" / "readers.html").is_file()
    assert main(command) == 0
    assert "readers.assistance" in capsys.readouterr().out


def test_faults_end_with_the_data_exit_code(table, capsys):
    _, folder = table
    (folder / "answers.csv").write_text("reader,key,score\nDr Name,case-1,high\n")
    assert main(["readers", "analyse", str(folder / "theirs.csv"), str(folder / "answers.csv")]) == 3
    said = capsys.readouterr().err
    assert "row 2" in said and "Dr Name" not in said
    assert main(["readers", "allocate", str(folder / "theirs.csv")]) == 2
    assert main(["readers", "allocate", str(folder / "nowhere"), "--reader", "R1"]) == 3
