"""A survey kept in a folder tells what one in memory tells, and goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from preceptor.cli import main
from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.slots import build, names
from preceptor.intake import survey as module
from preceptor.intake.copies import thumbnail_index
from preceptor.intake.survey import survey
from preceptor.intake.synthesis.phantom_plan import Plan
from preceptor.intake.synthesis.phantom_study import make_study
from preceptor.learn.tasks.segmentation import Segmentation

from .test_crops import texture

COPIES = {
    "again": lambda array: array,
    "turned": np.rot90,
    "mirrored": lambda array: array[:, ::-1],
    "inverted": lambda array: 255 - array,
    "small": lambda array: array.reshape(32, 2, 32, 2).mean(axis=(1, 3)).astype(np.uint8),
}


def write(folder: Path, number: int = 300) -> Cohort:
    """Films of that many people, five of them twice, and one volume and its mirror image."""
    import nibabel

    folder.mkdir()
    arrays = {f"p{n:03d}": texture(n, 64) for n in range(number)}
    arrays |= {name: change(texture(10 + 9 * n, 64)) for n, (name, change) in enumerate(COPIES.items())}
    for name, array in arrays.items():
        Pillow.fromarray(np.ascontiguousarray(array)).save(folder / f"{name}.png")
    volume = np.stack([texture(900 + n, 30) for n in range(20)], -1).astype(np.uint8)
    for name, array in (("volume", volume), ("flipped", volume[::-1])):
        nibabel.Nifti1Image(np.ascontiguousarray(array), np.eye(4)).to_filename(folder / f"{name}.nii")
    endings = dict.fromkeys(arrays, "png") | {"volume": "nii", "flipped": "nii"}
    return Cohort(tuple(Case(name, {"image": f"{name}.{end}"}, name) for name, end in endings.items()), folder)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Cohort:
    return write(tmp_path_factory.mktemp("films") / "films")


def duplicates(**settings) -> list:
    return [build("checks", {"duplicates": {"crops_up_to": 0} | settings})]


@pytest.mark.parametrize("block", [2048, 70])
def test_copies_are_those_that_are_found_in_memory(films, tmp_path, monkeypatch, block):
    monkeypatch.setattr(thumbnail_index, "_BLOCK", block)
    plain, kept = survey(films, duplicates()), survey(films, duplicates(), keep=tmp_path / "kept")
    assert {pair.second for pair in plain.pairs} == {*COPIES, "flipped"}
    assert [pair.second for pair in plain.pairs if pair.identical] == ["again"]
    assert kept.pairs == plain.pairs
    assert kept.problems == plain.problems
    compared: list[tuple[int, int]] = []
    again = survey(films, duplicates(), keep=tmp_path / "kept", comparing=lambda *each: compared.append(each))
    assert again.pairs == plain.pairs and compared == [], "every block was compared already"


def test_every_check_tells_the_same_from_disk(tmp_path):
    plan = Plan(task="segmentation", visits=12, size=(20, 24, 16), seed=4)
    cohort, task = make_study(plan, tmp_path / "made"), Segmentation({"front": 1, "back": 2})
    (cohort.root / next(iter(cohort.cases[3].images.values()))).write_bytes(b"no image")
    checks = [build("checks", name) for name in names("checks")]
    plain, kept = (survey(cohort, checks, task, keep=keep) for keep in (None, tmp_path / "kept"))
    assert plain.problems and kept.problems == plain.problems
    assert {name: dict(facts) for name, facts in kept.facts.items()} == json.loads(json.dumps(plain.facts))


def counted(monkeypatch) -> list[str]:
    opened: list[str] = []
    plain = module._open
    monkeypatch.setattr(module, "_open", lambda root, case: (opened.append(case.key), plain(root, case))[1])
    return opened


def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    cohort, keep = write(tmp_path / "films", 12), tmp_path / "kept"

    def stop(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(cohort, duplicates(), keep=keep, progress=stop)
    opened, told = counted(monkeypatch), []
    kept = survey(cohort, duplicates(), keep=keep, progress=lambda done, total: told.append(done))
    assert opened == [case.key for case in cohort.cases[7:]] and told[0] == 8
    assert kept.problems == survey(cohort, duplicates()).problems
    opened.clear()
    assert survey(cohort, duplicates(), keep=keep).pairs == kept.pairs and opened == []


def test_what_a_kill_left_half_written_is_looked_at_again(tmp_path, monkeypatch):
    cohort, keep = write(tmp_path / "films", 12), tmp_path / "kept"
    plain = survey(cohort, duplicates(), keep=keep)
    (facts,) = keep.glob("duplicates-*.jsonl")
    lines = facts.read_bytes().splitlines(keepends=True)
    facts.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    opened = counted(monkeypatch)
    assert survey(cohort, duplicates(), keep=keep).pairs == plain.pairs
    assert opened == [case.key for case in cohort.cases[5:]]


def test_a_changed_file_and_other_settings_are_noticed(tmp_path, monkeypatch):
    cohort, keep = write(tmp_path / "films", 12), tmp_path / "kept"
    survey(cohort, duplicates(), keep=keep)
    Pillow.fromarray(texture(2, 64)).save(tmp_path / "films" / "p009.png")
    opened = counted(monkeypatch)
    found = survey(cohort, duplicates(), keep=keep).pairs
    assert ("p002", "p009") in {(pair.first, pair.second) for pair in found}
    assert opened == [case.key for case in cohort.cases[9:]]
    assert len(list(keep.glob("index-*"))) == 1, "what other images left is gone"
    opened.clear()
    survey(cohort, duplicates(same_detail=0.99), keep=keep)
    assert opened == [case.key for case in cohort]
    marked = {
        "labels": {"label": 1},
        "fields": {"age": 3},
        "points": {"tip": [[1, 1]]},
        "boxes": {"lesion": [[[1, 1], [2, 2]]]},
    }
    cases = list(cohort.cases)
    for place, (name, value) in zip((10, 8, 6, 4), marked.items(), strict=True):
        opened.clear()
        cases[place] = replace(cases[place], **{name: value})
        survey(replace(cohort, cases=tuple(cases)), duplicates(same_detail=0.99), keep=keep)
        assert opened == [case.key for case in cohort.cases[place:]], name


def test_a_folder_of_something_else_is_refused(films, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CohortError) as refused:
        survey(films, duplicates(), keep=tmp_path)
    assert refused.value.problem.code == "survey_folder"
    assert [each.name for each in tmp_path.iterdir()] == ["letter.txt"]


def test_many_cases_go_to_disk_unasked_and_leave_nothing(films, tmp_path, monkeypatch):
    plain = survey(films, duplicates())
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = survey(films, duplicates())
    assert found.pairs == plain.pairs and list(tmp_path.glob("preceptor-*/index-*/1/thumbnails.f16"))
    del found
    assert list(tmp_path.iterdir()) == []


def test_the_verb_keeps_a_survey(tmp_path, capsys):
    write(tmp_path / "films", 6).write(tmp_path / "films" / "cohort.parquet")
    command = ["cohort", "check", str(tmp_path / "films" / "cohort.parquet"), "--json"]
    codes = [main(command), main([*command, "--keep", str(tmp_path / "kept")])]
    plain, kept = (json.loads(each) for each in capsys.readouterr().out.replace("}\n{", "}\n\0{").split("\0"))
    assert codes[0] == codes[1] and plain == kept and plain["problems"]
    assert (tmp_path / "kept" / "cases.jsonl").read_text().count("\n") == 13
