"""Reports of a table: labels as CheXpert writes them, a sheet for a reader, and how often the rules are wrong."""

from __future__ import annotations

import csv
import json

import pytest
import yaml

from preceptor.cli import main
from preceptor.core.errors import CohortError
from preceptor.intake.reports.labelling import label_reports, read_phrases
from preceptor.maths.intervals import clopper_pearson

NAME = "Quillfeather"

REPORTS = [
    f"{NAME}, MRN 7730912. Small left pleural effusion. No pneumothorax.",
    "Lungs are clear. Heart size is normal.",
    "Cannot exclude a small effusion.",
    "",
    "No change in the effusion, which is large.",
]


def write(path, reports=REPORTS, keys=None):
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["accession", "text"])
        rows.writerows([keys[n] if keys else f"A{n}", text] for n, text in enumerate(reports))
    return path


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def answer(sheet, truth):
    """Fill the sheet as a reader would: `truth(text, finding)`."""
    rows = rows_of(sheet)
    for row in rows:
        row["read"] = truth(row["text"], row["finding"])
    with sheet.open("w", newline="", encoding="utf-8") as file:
        made = csv.DictWriter(file, list(rows[0]))
        made.writeheader()
        made.writerows(rows)


def test_labels_are_written_as_chexpert_writes_them(tmp_path, capsys):
    table, out = write(tmp_path / "reports.csv"), tmp_path / "labels.csv"
    command = ["label-reports", str(table), "--column", "text", "--key", "accession", "-o", str(out)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = rows_of(out)
    assert [row["accession"] for row in rows] == ["A0", "A1", "A2", "A3", "A4"]
    assert [row["Pleural Effusion"] for row in rows] == ["1", "", "-1", "", "1"]
    assert [row["Pneumothorax"] for row in rows] == ["0", "", "", "", ""]
    assert [row["Cardiomegaly"] for row in rows] == ["", "0", "", "", ""]
    assert len(rows[0]) == 14
    assert told["counts"]["Pleural Effusion"] == {"present": 2, "uncertain": 1, "absent": 0, "not mentioned": 2}
    assert "sheet" not in told and not (tmp_path / "labels-review.csv").exists()
    assert main(command) == 0, "the same labels are there already"
    out.write_text("mine")
    assert main(command) == 3 and out.read_text() == "mine"


def many():
    """400 reports of one finding; the rules miss what they have no phrase for, and one such report in four is positive."""
    kinds = {
        "Small effusion.": "1",
        "No effusion.": "0",
        "Possible effusion.": "-1",
        "Fluid level at the left base.": "1",
        "Unremarkable.": "n",
    }
    counts = dict(zip(kinds, (120, 150, 30, 25, 75), strict=True))
    return [f"{text} Film {n}." for text, number in counts.items() for n in range(number)], kinds


def test_a_sample_read_again_tells_the_error(tmp_path, capsys):
    reports, kinds = many()
    table, phrases = write(tmp_path / "reports.csv", reports), tmp_path / "mine.yaml"
    phrases.write_text(yaml.safe_dump({"effusion": ["effusion"]}))
    command = ["label-reports", str(table), "--column", "text", "-o", str(tmp_path / "labels.csv")]
    command += ["--findings", str(phrases), "--review", "40"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    sheet = tmp_path / "labels-review.csv"
    rows = rows_of(sheet)
    assert told["questions"] == told["open"] == len(rows) == 40 + 40 + 30 + 40 and "errors" not in told
    assert {*rows[0]} == {"report", "finding", "text", "read"}, "what the rules said is not shown"
    assert [int(row["report"]) for row in rows] != sorted(int(row["report"]) for row in rows)
    answer(sheet, lambda text, _: next(said for start, said in kinds.items() if text.startswith(start)))
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["errors"]["effusion"]
    missed = found["by_verdict"]["not mentioned"]
    assert missed["read"] == 40 and missed["of"] == 100 and 4 <= missed["wrong"] <= 16
    exact = clopper_pearson(missed["wrong"], 40)
    assert missed["interval"] == [exact.lower, exact.upper]
    assert {name: each["wrong"] for name, each in found["by_verdict"].items()} == {
        "present": 0,
        "absent": 0,
        "uncertain": 0,
        "not mentioned": missed["wrong"],
    }
    assert found["error"] == pytest.approx(missed["wrong"] / 40 * 100 / 400)
    assert found["interval"][0] <= 25 / 400 <= found["interval"][1]
    assert found["by_verdict"]["uncertain"]["interval"] == [0, 0], "all thirty were read"
    assert main(command) == 0
    assert f"not mentioned {missed['wrong']} of 40" in capsys.readouterr().out


def test_what_is_not_read_yet_is_told(tmp_path, capsys):
    table = write(tmp_path / "reports.csv")
    command = ["label-reports", str(table), "--column", "text", "-o", str(tmp_path / "labels.csv"), "--review", "2"]
    assert main(command) == 0
    sheet = tmp_path / "labels-review.csv"
    answer(sheet, lambda text, finding: "1.0" if finding == "Pleural Effusion" and "Small left" in text else "")
    made = label_reports(table, "text", tmp_path / "labels.csv", review=2)
    assert made.questions - made.still_open == 1
    assert made.errors["Pleural Effusion"] is None
    capsys.readouterr()
    assert main(command) == 0
    assert "not every verdict has been read again" in capsys.readouterr().out


def test_a_spreadsheet_shows_the_text_and_not_a_formula(tmp_path):
    table = write(tmp_path / "reports.csv", ["- Effusion, Müller.", "=1+1", "+ edema", "@home", "Plain. - text"])
    made = label_reports(table, "text", tmp_path / "labels.csv", review=5)
    texts = {row["text"] for row in rows_of(made.sheet)}
    assert texts == {" - Effusion, Müller.", " =1+1", " + edema", " @home", "Plain. - text"}
    assert made.sheet.read_bytes().startswith(b"\xef\xbb\xbfreport,")
    assert label_reports(table, "text", tmp_path / "labels.csv").still_open == made.questions, "and it is read again"


@pytest.mark.parametrize("debug", [False, True])
def test_no_text_of_a_report_and_no_key_is_part_of_a_message(tmp_path, capsys, debug):
    keys = [f"{NAME}-{n}" for n in (1, 1, 2, 3, 4)]
    table, more = write(tmp_path / "reports.csv", keys=keys), ["--debug"] if debug else []
    command = ["label-reports", str(table), "-o", str(tmp_path / "labels.csv"), "--column"]
    assert main([*command, "text", "--key", "accession", *more]) == 3, "two reports of one key"
    assert main([*command, "body", *more]) == 3
    assert main([*command, "text", "--review", "2", *more]) == 0
    answer(tmp_path / "labels-review.csv", lambda text, finding: f"yes, {NAME}")
    assert main([*command, "text", *more]) == 3
    sheet = tmp_path / "labels-review.csv"
    sheet.write_text(sheet.read_text().replace("Pneumothorax", NAME))
    assert main([*command, "text", *more]) == 3
    told = capsys.readouterr()
    assert NAME not in told.out + told.err and "7730912" not in told.out + told.err
    assert "row 2" in told.err


@pytest.mark.parametrize(
    "held",
    ["[1, 2]", "a: text", "{phrases: {a: [b]}, others: {}}", "{phrases: {a: [b]}, denials: {c: [d]}}", "a: []", "{"],
)
def test_phrases_that_are_none_are_refused(tmp_path, held):
    (tmp_path / "mine.yaml").write_text(held)
    with pytest.raises(CohortError) as refused:
        read_phrases(tmp_path / "mine.yaml")
    assert refused.value.problem.code == "report_phrases"


def test_each_phrase_of_the_package_is_of_one_finding():
    labeller = read_phrases(None)
    said = [phrase for phrases in labeller.phrases.values() for phrase in phrases]
    assert len(said) == len(set(said)) and len(labeller.phrases) == 13
    for finding, phrases in labeller.phrases.items():
        assert all(labeller.read(f"There is {phrase}.")[finding] == "present" for phrase in phrases)
        assert all(labeller.read(f"No {phrase}.")[finding] == "absent" for phrase in phrases if " is " not in phrase)
    for finding, phrases in labeller.denials.items():
        assert all(labeller.read(f"{phrase}.")[finding] == "absent" for phrase in phrases)
