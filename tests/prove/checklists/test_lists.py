"""Checklists: every list whole and numbered, every answer from the record, and what is not known openly so."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Evidence, Finding, Question
from preceptor.prove.checklists.lists import FACTS, checklist, document_of, names, read_given
from preceptor.prove.checklists.plain import described
from preceptor.prove.checklists.prisma import flow_of_runs, write_flow
from preceptor.prove.checklists.writing import as_csv, as_html, as_markdown, write_checklist
from preceptor.prove.explaining.trust import Check, Trust, TrustReport
from preceptor.prove.report.record import Record

from ..run_folder import classification_folder, regression_folder, segmentation_folder

#: How many items each list's own paper has.
SIZES = {
    "charms": 36,
    "claim_2024": 44,
    "consort_ai": 14,
    "data_sheet": 36,
    "mi_claim": 19,
    "model_card": 23,
    "probast": 20,
    "tripod_ai": 52,
}

RESOLVED = """\
study: hippocampus
seed: 7
split: {by: patient, train: 0.6, tune: 0.1, calibrate: 0.1, test: 0.2, stratify: null, external: null}
prepare: [orient_ras, {resample: {spacing_mm: [1, 1, 1]}}]
augment: [{noise: {sigma: 0.1}}]
task: {segmentation: {labels: {anterior: 1, posterior: 2}}}
network: {unet: {channels: [16, 32]}}
objective: [dice, cross_entropy]
methods: [ema]
strategy: {ensemble: {members: 3}}
train: {epochs: 40, batch_size: 4, patch: [32, 48, 32], foreground_share: 0.5, optimizer: {adamw: {lr: 0.003}}}
safeguards: [temperature, input_control]
checks: [duplicates, leaked_patients]
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A run with everything that a recipe says."""
    folder = segmentation_folder(tmp_path_factory.mktemp("run") / "hippocampus-3f9a12c4")
    (folder / "resolved.yaml").write_text(RESOLVED)
    return Record.read(folder)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Runs of other kinds."""
    makers = (classification_folder, regression_folder)
    return [Record.read(maker(tmp_path_factory.mktemp("run") / maker.__name__)) for maker in makers]


EMPTY = Record(
    folder=Path("nothing"),
    recipe="",
    resolved={},
    cohort=None,
    environment={},
    epochs=[],
    predictions=None,
    evidence=Evidence({}),
    explanations=[],
    question=Question("unknown", "answer", ()),
)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_list_is_whole_numbered_once_and_its_facts_are_there(name):
    items = document_of(name)["items"]
    numbers = [str(item["number"]) for item in items]
    assert len(numbers) == len(set(numbers)) == SIZES[name]
    for item in items:
        assert set(item) <= {"number", "section", "asks", "facts", "also", "rest", "needs"}
        assert set(item.get("facts", ())) | set(item.get("also", ())) <= set(FACTS)
        assert item["asks"].strip() and item["section"].strip()
        assert item.get("facts") or item.get("needs"), f"{name} {item['number']} could never be answered or asked for"


def test_every_list_is_counted_and_every_fact_is_used():
    assert set(names()) == set(SIZES)
    used = {
        fact
        for name in names()
        for item in document_of(name)["items"]
        for fact in (*item.get("facts", ()), *item.get("also", ()))
    }
    assert used == set(FACTS)


def test_the_parts_of_tripod_are_those_of_the_paper():
    letters = {"3": 3, "5": 2, "6": 3, "8": 3, "9": 3, "12": 7, "18": 6, "20": 3, "23": 2, "27": 3}
    expected = []
    for main in range(1, 28):
        parts = letters.get(str(main), 0)
        expected += [f"{main}{'abcdefg'[at]}" for at in range(parts)] or [str(main)]
    assert [str(item["number"]) for item in document_of("tripod_ai")["items"]] == expected
    assert [str(item["number"]) for item in document_of("claim_2024")["items"]] == [str(n) for n in range(1, 45)]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_an_empty_record_answers_nothing_and_every_item_says_what_is_needed(name):
    filled = checklist(EMPTY, name)
    for item in filled.items:
        if item.status != "not answered":
            # The limits of use hold for any run, also for one without a record.
            assert "measures" in item.answer or "figures hold" in item.answer, (item.number, item.answer)
        assert item.needs.strip() or item.answer.strip()


@pytest.mark.parametrize("name", sorted(SIZES))
def test_no_item_is_answered_by_an_empty_fact(record, name):
    for item in checklist(record, name).items:
        assert (item.status == "not answered") == (item.answer == "" and item.given == "")
        assert bool(item.needs) == (item.status in ("not answered", "answered in part"))
        assert "None" not in item.answer and "seed unknown" not in item.answer and "  " not in item.answer


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_a_fact_says_something_or_none(record, others, fact):
    for each in (record, *others, EMPTY):
        told = FACTS[fact](each)
        assert told is None or told.strip()
        assert told is None or "SECRET" not in told  # a patient's name in the cohort


def test_known_items_are_answered_with_the_runs_own_figures(record):
    claim = {item.number: item for item in checklist(record, "claim_2024").items}
    cohort = record.cohort
    assert claim["9"].status == "answered" and "Resample (spacing: 1 × 1 × 1 mm)" in claim["9"].answer
    assert "0 stand in two parts" in claim["20"].answer
    assert f"test {len(cohort.with_role('test'))} cases" in claim["19"].answer
    assert "(channels: 16, 32)" in claim["22"].answer and "Dice, Cross entropy" in claim["22"].answer
    assert "torch 2.13.0" in claim["23"].answer
    assert "40 epochs of batches of 4" in claim["25"].answer and "EMA" in claim["25"].answer.upper()
    assert "nsemble (members: 3)" in claim["27"].answer
    dice = record.evidence["dice"]
    assert f"{dice.value:.3f} (95 % interval {dice.interval[0]:.3f} to {dice.interval[1]:.3f})" in claim["38"].answer
    assert "3 excluded: no label map" in claim["35"].answer
    assert claim["37"].status == "answered in part" and "`by:`" in claim["37"].needs
    assert claim["33"].status == "not answered" and "external cases" in claim["33"].needs
    assert claim["44"].status == "not answered" and claim["44"].answer == ""


def test_a_patient_on_two_sides_is_counted(record):
    cases = list(record.cohort.cases)
    first, other = record.cohort.with_role("train")[0], record.cohort.with_role("test")[0]
    moved = [replace(case, patient=first.patient, group=None) if case.key == other.key else case for case in cases]
    told = FACTS["disjoint"](replace(record, cohort=Cohort(tuple(moved), record.cohort.root)))
    assert "1 stand in two parts" in told


def test_what_was_measured_by_group_answers_the_group_item(record):
    part = Finding("dice.site=A", 0.8, "", (0.7, 0.9), cases=9, clusters=9)
    dice = replace(record.evidence["dice"], parts={"site=A": part})
    richer = replace(record, evidence=replace(record.evidence, findings={**record.evidence.findings, "dice": dice}))
    item = next(each for each in checklist(richer, "claim_2024").items if each.number == "37")
    assert item.status == "answered" and "site A 0.800 (95 % interval 0.700 to 0.900)" in item.answer


def test_the_authors_answers_stand_beside_the_record_and_are_marked(record, tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(
        'tripod_ai:\n  3a: "Volumetry | of the hippocampus"\n  5a: All scans of 2019.\nprobast: {"1.1": yes, it was}\n'
    )
    given = read_given(path, "tripod_ai")
    filled = checklist(record, "tripod_ai", given)
    items = {item.number: item for item in filled.items}
    assert items["3a"].status == items["5a"].status == "given" and items["5a"].answer and not items["5a"].needs
    assert "By the authors: Volumetry \\| of the hippocampus" in as_markdown(filled)
    assert "2 given by the authors" in filled.summary
    flat = tmp_path / "flat.yaml"
    flat.write_text("3a: text\n")
    assert read_given(flat, "tripod_ai") == {"3a": "text"}


@pytest.mark.parametrize(
    ("text", "told"), [("- 3a\n", "can't be read"), ("{3a: [1]}\n", "can't be read"), ("3a: [\n", "can't be read")]
)
def test_answers_that_are_none(tmp_path, text, told):
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=told):
        read_given(path, "tripod_ai")
    with pytest.raises(RecipeError, match="not there"):
        read_given(tmp_path / "absent.yaml", "tripod_ai")


def test_what_is_no_list_or_item(record):
    with pytest.raises(RecipeError, match="no checklist 'stard'"):
        checklist(record, "stard")
    with pytest.raises(RecipeError, match="no item 99"):
        checklist(record, "claim_2024", {"99": "x"})


@pytest.mark.parametrize("name", ["tripod_ai", "model_card"])
def test_the_three_forms_hold_every_item(record, name, tmp_path):
    filled = checklist(record, name, {"1" if name == "tripod_ai" else "1.1": "<script>alert(1)</script>"})
    rows = list(csv.DictReader(io.StringIO(as_csv(filled))))
    assert [row["number"] for row in rows] == [item.number for item in filled.items]
    markdown = as_markdown(filled)
    assert all(item.asks in markdown for item in filled.items)
    html = as_html(filled)
    assert "<script>alert" not in html and "&lt;script&gt;" in html
    for form in (".md", ".html", ".csv"):
        assert write_checklist(filled, tmp_path / f"list{form}").stat().st_size > 500
    with pytest.raises(RecipeError, match="can't be written"):
        write_checklist(filled, tmp_path / "list.docx")


def test_a_document_has_the_papers_sections(record):
    card = as_markdown(checklist(record, "model_card"))
    mitchell = "Model details, Intended use, Factors, Metrics, Evaluation data, Training data, Quantitative analyses, "
    for section in (mitchell + "Ethical considerations, Caveats and recommendations").split(", "):
        assert f"\n## {section}\n" in card
    sheet = as_markdown(checklist(record, "data_sheet"))
    for section in ("Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"):
        assert f"\n## {section}\n" in sheet


def test_the_flow_of_runs_adds_up(record, tmp_path):
    chest = Record.read(classification_folder(tmp_path / "chest-1"))
    facts = dict(chest.evidence.facts) | {"recipe": "other"}
    chest = replace(chest, evidence=replace(chest.evidence, facts=facts))
    rehearsal = replace(chest, evidence=replace(chest.evidence, facts=facts | {"recipe": "third", "rehearsal": True}))
    flow = flow_of_runs([record, chest, record, rehearsal, EMPTY])
    boxes = {what: number for _, what, number in flow.boxes()}
    assert boxes["runs identified"] == 5 and boxes["runs included"] == 2
    assert boxes["removed before screening: the same recipe on the same cohort as another run"] == 1
    assert boxes["excluded: a rehearsal"] == 1 and boxes["excluded: nothing was measured"] == 1
    gone = sum(number for what, number in boxes.items() if what.startswith(("excluded", "removed")))
    assert boxes["runs identified"] - gone == boxes["runs included"]
    assert boxes["cases in them"] == len(record.cohort) + len(chest.cohort)
    # A model that failed its gate stays in.
    assert not chest.evidence.passed and chest.folder.name in {run.name for run in flow.included}
    for form in (".md", ".html", ".csv"):
        assert "rehearsal" in write_flow(flow, tmp_path / f"flow{form}").read_text()
    with pytest.raises(RecipeError, match="no run is named"):
        flow_of_runs([])


def test_the_verb(tmp_path, capsys):
    from preceptor.cli import main

    folder = segmentation_folder(tmp_path / "run-1")
    assert main(["checklist", str(folder), "--name", "claim_2024", "-o", str(tmp_path / "claim.html")]) == 0
    assert "44 items" in capsys.readouterr().out and (tmp_path / "claim.html").is_file()
    assert main(["checklist", str(folder), "--name", "data_sheet"]) == 0
    assert capsys.readouterr().out.startswith("# Data sheet (2021)")
    assert main(["checklist", str(folder), str(folder), "--name", "prisma", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flow"][0]["number"] == 2
    assert main(["checklist", str(folder), "--name", "stard"]) == 2
    assert main(["checklist", str(tmp_path), "--name", "probast"]) == 2
    assert main(["checklist", str(folder), str(folder), "--name", "probast"]) == 2


def test_plugins_and_their_settings_are_told_in_a_readers_words():
    steps = [{"resample": {"spacing_mm": [5.0, 5.0, 8.0], "antialias": True, "keep_aspect": False}}, {"zscore": {}}]
    assert described(steps, "transforms") == "Resample (spacing: 5 × 5 × 8 mm; antialias: yes; keep aspect: no), Zscore"
    assert described({"adamw": {"lr": 0.005, "betas": [0.9, 0.999]}}) == "adamw (lr: 0.005; betas: 0.9, 0.999)"
    assert described({"crop_pad": {"shape": [32, 16]}}, "transforms") == "Crop pad (shape: 32 × 16)"


def test_maps_that_were_checked_and_baselines_are_answers(record, tmp_path):
    assert FACTS["explanations_checked"](replace(record, folder=tmp_path)) is None
    (tmp_path / "explanations").mkdir()
    checks = {"layers": Check("layers", 0.2, True, "")}
    failed = {**checks, "region": Check("region", 0.0, False, "")}
    explainers = {
        "gradient": Trust("gradient", checks, 6, 1.0),
        "grad_cam": Trust("grad_cam", failed, 6, 1.0),
        "edges": Trust("edges", failed, 6, 1.0, is_control=True),
    }
    TrustReport(explainers, ("a",), 2.0).write(tmp_path / "explanations" / "trust.json")
    parts = {"whole": Finding("x", 0.97, "AUROC"), "without_lesion": Finding("x", 0.5, "AUROC")}
    covered = Finding("serial_occlusion", 0.5, "AUROC with lesion covered (filled with the mean)", parts=parts)
    (tmp_path / "explanations" / "serial_occlusion.json").write_text(json.dumps(covered.to_json()))
    told = FACTS["explanations_checked"](replace(record, folder=tmp_path))
    assert (
        "Gradient passed (6 cases); Grad-CAM failed region (6 cases)." in told and "dge" not in told.partition(":")[2]
    )
    assert told.endswith("AUROC is 0.970 on the whole image and 0.500 with lesion covered.")
    made = {"measures": {"roc": {"model": {"value": 0.9}, "forest": {"value": 0.8, "beaten": False}}}}
    richer = replace(record, evidence=replace(record.evidence, facts={**record.evidence.facts, "baselines": made}))
    assert (
        FACTS["baseline"](richer) == "Baselines on the same cases: AUROC of the model 0.900, forest 0.800 (not beaten)."
    )
    assert FACTS["baseline"](record) is None
