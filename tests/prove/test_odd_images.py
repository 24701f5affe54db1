"""The report shows the images that a check of the data named."""

from __future__ import annotations

from dataclasses import replace

from preceptor.core.evidence import Evidence
from preceptor.prove.report import odd_images as module
from preceptor.prove.report.odd_images import odd_images
from preceptor.prove.report.record import Record
from preceptor.prove.report.worst_cases import Shown
from preceptor.prove.report.writing import write_report

from .run_folder import segmentation_folder


def problem(code, *cases, where="view mri"):
    return {
        "what": "1 image is noisier than the others",
        "where": where,
        "expected": "",
        "remedy": "",
        "code": code,
        "cases": list(cases),
        "severity": "warning",
    }


def test_only_what_is_odd_to_look_at_is_shown_and_not_endlessly(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    keys = [case.key for case in Record.read(folder).cohort]
    problems = (
        problem("patients_unknown", keys[0]),
        problem("image_noisy", keys[1]),
        problem("image_blurred", *keys[:20]),
        problem("slices_empty", "gone", keys[2]),
    )
    replace(Evidence.read(folder / "evidence.json"), problems=problems).write(folder / "evidence.json")
    shown = odd_images(Record.read(folder))
    assert [each.key for each in shown[1]] == [keys[1]] and [each.key for each in shown[2]] == keys[:3]
    assert [each.key for each in shown[3]] == [keys[2]], "a case that is gone is left out"
    assert 0 not in shown
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("<summary>Its picture</summary>") == 2 and page.count("<summary>Pictures</summary>") == 1
    assert f'data-name="odd {keys[1]}"' in page


def test_of_several_views_the_one_that_is_odd_is_shown(tmp_path, monkeypatch):
    folder = segmentation_folder(tmp_path / "run")
    record = Record.read(folder)

    def shown(ranked, what, record):
        return Shown(ranked.key, what, "", (), tuple({"title": view} for view in ("mri", "ct")), "")

    monkeypatch.setattr(module, "shown_case", shown)
    for where, titles in (("view ct", ["ct"]), ("view mri", ["mri"]), ("", ["mri", "ct"])):
        problems = (problem("image_noisy", record.cohort.cases[0].key, where=where),)
        found = odd_images(replace(record, evidence=replace(record.evidence, problems=problems)))
        assert [each["title"] for each in found[0][0].figures] == titles


def test_the_report_stays_small(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    keys = [case.key for case in Record.read(folder).cohort]
    problems = tuple(problem("image_noisy", *keys) for _ in range(6))
    replace(Evidence.read(folder / "evidence.json"), problems=problems).write(folder / "evidence.json")
    assert sum(map(len, odd_images(Record.read(folder)).values())) == 9
