"""The report: whole from any folder, offline, without a patient in it, and its numbers and pictures the run's own."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Evidence
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.prove.report.explained_cases import explained_cases
from preceptor.prove.report.pictures import heat_layer, label_layer, view_of
from preceptor.prove.report.record import Record
from preceptor.prove.report.sprites import figure
from preceptor.prove.report.subgroups import subgroups
from preceptor.prove.report.table_one import age_band, flow, table_one
from preceptor.prove.report.worst_cases import ranking, shown_cases
from preceptor.prove.report.writing import context, write_report

from .run_folder import classification_folder, multilabel_folder, regression_folder, segmentation_folder

MAKERS = {
    "segmentation": segmentation_folder,
    "classification": classification_folder,
    "multilabel": multilabel_folder,
    "regression": regression_folder,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of each kind, with its page."""
    found = {}
    for name, maker in MAKERS.items():
        folder = maker(tmp_path_factory.mktemp(name) / f"{name}-3f9a12c4")
        found[name] = (folder, write_report(folder).read_text(encoding="utf-8"))
    return found


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and whether they are closed."""

    VOID = {"meta", "br", "img", "input", "link", "hr"}
    SVG = {"circle", "line", "path", "polyline", "polygon", "rect"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.mark.parametrize("name", MAKERS)
def test_is_one_whole_page_that_asks_for_nothing(made, name):
    folder, text = made[name]
    page = Page(text)
    assert not page.open, "every element is closed"
    for attributes in page.all(*{tag for tag, _ in page.elements}):
        for key in ("src", "href", "data", "action", "poster", "srcset"):
            assert attributes.get(key, "#").startswith(("#", "data:"))
    assert "url(" not in text and "@import" not in text and "http://" not in text and "https://" not in text
    policies = [each for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policies[0]["content"]
    assert not list(folder.glob("*.part")) and len(text.encode()) < 6e6


@pytest.mark.parametrize("name", MAKERS)
def test_can_be_read_without_seeing_or_with_a_reader(made, name):
    page = Page(made[name][1])
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False)), levels
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    assert all(each.get("aria-label") and each.get("role") == "img" for each in page.all("svg"))
    assert page.all("html")[0]["lang"] == "en" and page.all("title")
    targets = {each["id"] for _, each in page.elements if "id" in each}
    assert {each["href"][1:] for each in page.all("a")} <= targets, "the contents lead somewhere"
    assert any(each.get("name") == "viewport" for each in page.all("meta"))


@pytest.mark.parametrize("name", MAKERS)
def test_names_no_patient_and_no_path(made, name):
    folder, text = made[name]
    assert "SECRET" not in text and str(folder.parent) not in text


def test_what_comes_from_data_is_escaped(made):
    _, text = made["classification"]
    assert "<b>ask a radiologist" not in text and "&lt;b&gt;ask a radiologist&lt;/b&gt;" in text


def test_a_recipe_or_a_label_cannot_break_out(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    (folder / "recipe.yaml").write_text("study: '</pre><script>alert(1)</script>'")
    cohort = Cohort.read(folder / "cohort.parquet")
    evil = '"></script><script>alert(2)</script>'
    renamed = [Case(**{**vars(case), "fields": {**case.fields, "site": evil}}) for case in cohort]
    cohort.with_cases(renamed).write(folder / "cohort.parquet")
    text = write_report(folder).read_text()
    assert "<script>alert" not in text
    Page(text)


def test_the_verdict_is_told_in_words(tmp_path):
    cases = {True: "Signed off: both gates hold", False: "Not signed off: 1 of 2 gates does not hold"}
    for passed, words in cases.items():
        folder = segmentation_folder(tmp_path / f"run-{passed}", passed=passed)
        page = Page(write_report(folder).read_text())
        assert words in page.words
        evidence = Evidence.read(folder / "evidence.json")
        for verdict in evidence.verdicts:
            assert verdict.sentence[1:] in page.words, "every gate says why"
    (folder / "evidence.json").write_text(
        json.dumps(json.loads((folder / "evidence.json").read_text()) | {"verdicts": []})
    )
    page = Page(write_report(folder).read_text())
    assert "Not judged" in page.words and "No gate was asked" in page.words


def test_the_headline_stands_with_its_interval_in_words(made):
    for name, unit in (("segmentation", "patients"), ("regression", "images")):
        folder, text = made[name]
        evidence = Evidence.read(folder / "evidence.json")
        finding = evidence[evidence.facts["headline"]]
        low, high = finding.interval
        words = Page(text).words
        shown = f" {finding.unit}" if finding.unit else ""
        assert f"{finding.value:.3f}{shown}" in words
        assert f"95 % interval {low:.3f}{shown} to {high:.3f}{shown}" in words
        assert unit == "images" or f"from {finding.clusters} {unit}" in words


def test_intervals_by_image_are_said_on_page_one(tmp_path):
    page = write_report(segmentation_folder(tmp_path / "run", anonymous=True)).read_text()
    first = page[: page.index('<section id="cohort"')]
    assert "No column names a patient, so splits and intervals are by image" in first
    named = write_report(segmentation_folder(tmp_path / "other")).read_text()
    assert "No column names a patient" not in named


def test_a_rehearsal_is_nothing_to_sign(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    record = json.loads((folder / "evidence.json").read_text())
    record["facts"]["rehearsal"] = True
    (folder / "evidence.json").write_text(json.dumps(record))
    words = Page(write_report(folder).read_text()).words
    assert "A rehearsal: nothing to sign" in words and "no number here means anything" in words
    assert "Signed off" not in words


@pytest.mark.parametrize("name", ["segmentation", "classification"])
@pytest.mark.parametrize(
    "missing",
    [
        "recipe.yaml",
        "resolved.yaml",
        "cohort.parquet",
        "environment.json",
        "log.jsonl",
        "explanations",
        "predictions.parquet",
        "evidence.json",
        "maps",
    ],
)
def test_is_written_whatever_is_missing(made, tmp_path, name, missing):
    folder = tmp_path / "run"
    shutil.copytree(made[name][0], folder)
    gone = folder / missing
    if not gone.exists():
        pytest.skip("not in this folder")
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    page = Page(write_report(folder).read_text())
    assert not page.open and "To reproduce" in page.words


def test_images_that_are_gone_are_said_to_be(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    shutil.rmtree(tmp_path / "images")
    page = Page(write_report(folder).read_text())
    assert page.words.count("No picture:") == 6


def test_is_the_same_every_time(made):
    folder, text = made["segmentation"]
    assert write_report(folder).read_text(encoding="utf-8") == text


def test_a_log_cut_off_or_written_twice_gives_one_curve(tmp_path):
    folder = segmentation_folder(tmp_path / "run")
    log = folder / "log.jsonl"
    again = [line for line in log.read_text().splitlines() if '"epoch": 30' in line]
    log.write_text("\n".join([*log.read_text().splitlines(), again[0]]))
    record = Record.read(folder)
    assert [each["epoch"] for each in record.epochs] == list(range(1, 31))


# -------------------------------------------------------------------- cohort


def test_table_one_counts_who_is_there(made):
    folder, _ = made["classification"]
    cohort = Cohort.read(folder / "cohort.parquet")
    table = table_one(
        cohort, build("tasks", {"classification": {"label": "finding", "classes": ["COVID-19", "other finding"]}})
    )
    rows = {row.label: row.values for row in table.rows}
    assert table.columns == ("Calibration", "Test", "External", "All")
    counts = [len(cohort.with_role(role)) for role in ("calibrate", "test", "external")]
    assert rows["Cases"] == tuple(str(count) for count in [*counts, 60])
    assert rows["Patients"][-1] == "30"
    disease = sum(case.labels.get("finding") == "COVID-19" for case in cohort)
    assert rows["COVID-19"][-1] == f"{disease} ({disease / 60:.0%})"
    unlabelled = sum(case.labels.get("finding") is None for case in cohort)
    assert rows["unlabelled"][-1] == f"{unlabelled} ({unlabelled / 60:.0%})"
    lateral = sum("lateral" in case.images for case in cohort.with_role("test"))
    assert rows["lateral"][1] == f"{lateral} ({lateral / counts[1]:.0%})"


def test_sex_and_age_are_counted_once_a_patient():
    cases = [Case(f"c{n}", {"image": "i"}, "one", fields={"sex": "F", "age": 50}, role="test") for n in range(9)]
    cases.append(Case("other", {"image": "i"}, "two", fields={"sex": "M", "age": 70}, role="test"))
    rows = {row.label: row.values for row in table_one(Cohort(tuple(cases), Path())).rows}
    assert rows["F"] == ("1 (50%)",) and rows["M"] == ("1 (50%)",)
    assert rows["Age in years, median (quartiles)"] == ("60 (55–65)",)


def test_the_flow_adds_up():
    cohort = Cohort((Case("a", {"i": "a"}), Case("b", {"i": "b"})), Path(), exclusions=(("blurred", 3), ("twins", 1)))
    assert flow(cohort) == [("found", 6), ("blurred", -3), ("twins", -1), ("included", 2)]
    assert sum(count for _, count in flow(cohort)[:-1]) == flow(cohort)[-1][1]


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0–17"), (17.9, "0–17"), (18, "18–39"), ("64", "60–79"), (80, "80 and over"), (None, None), ("?", None)],
)
def test_age_bands(age, band):
    assert age_band(age) == band


# -------------------------------------------------------------------- subgroups


def test_small_groups_are_held_back_and_said_to_be(made):
    folder, text = made["segmentation"]
    record = Record.read(folder)
    by_title = {each.title: each for each in subgroups(record)}
    site = by_title["Site"]
    tested = record.cohort.with_role("test")
    counts = {name: sum(case.fields["site"] == name for case in tested) for name in {c.fields["site"] for c in tested}}
    assert {row[0] for row in site.rows} == {name for name, count in counts.items() if count >= 5}
    small = [name for name, count in counts.items() if count < 5]
    assert small and "held back" in site.note
    section = text[text.index('id="subgroups"') : text.index('id="cases"')]
    assert all(name not in section for name in small)


def test_a_subgroup_has_its_own_mean(made):
    record = Record.read(made["segmentation"][0])
    values = record.evidence["dice"].per_case
    women = [values[case.key] for case in record.cohort.with_role("test") if case.fields["sex"] == "F"]
    (row,) = [row for each in subgroups(record) if each.title == "Sex" for row in each.rows if row[0] == "F"]
    assert row[1:3] == (len(women), len(women)) and row[3].startswith(f"{np.mean(women):.3f} [")


# -------------------------------------------------------------------- cases and pictures


def test_the_worst_are_the_worst(made):
    record = Record.read(made["segmentation"][0])
    values = record.evidence["dice"].per_case
    order = sorted(values, key=lambda key: (values[key], key))
    assert [each.key for each in ranking(record)[0]] == order
    shown = shown_cases(record)
    assert [(each.key, each.why) for each in shown[:4]] == [(key, "worst") for key in order[:4]]
    assert (shown[-1].key, shown[-1].why) == (order[-1], "best") and shown[-2].why == "typical"


def test_confident_and_wrong_comes_first(made):
    record = Record.read(made["classification"][0])
    rows = record.predictions.role("test").table
    given = {row["key"]: row[f"probability_{row['truth']}"] for _, row in rows[rows["truth"].notna()].iterrows()}
    assert [each.key for each in ranking(record)[0]] == sorted(given, key=lambda key: (given[key], key))


def test_refused_cases_are_listed_with_their_reasons(made):
    folder, text = made["classification"]
    refused = context(Record.read(folder))["refusals"]
    table = Record.read(folder).predictions.role("test", "external").table
    assert refused["count"] == int((~table["accepted"]).sum()) > 0
    assert sum(count for _, count in refused["reasons"]) >= refused["count"]
    section = text[text.index('id="refusals"') :]
    assert all(key in section for key in table[~table["accepted"]]["key"])


def unpacked(source: str) -> np.ndarray:
    head, _, body = source.partition(",")
    assert head.startswith("data:image/")
    return np.array(Pillow.open(io.BytesIO(base64.b64decode(body))))


def cell(sheet: np.ndarray, spec: dict, index: int) -> np.ndarray:
    """One slice out of the packed picture, the way the page's script cuts it."""
    rows, columns = spec["size"]
    top, left = index // spec["across"] * rows, index % spec["across"] * columns
    return sheet[top : top + rows, left : left + columns]


def test_the_truth_on_the_page_is_the_truth(made):
    """Every slice of the outlined map, unpacked from the page, is the stored map seen from below, right on the left."""
    import nibabel

    folder, text = made["segmentation"]
    record = Record.read(folder)
    worst = shown_cases(record)[0]
    spec = worst.figures[0]
    truth, answer = ({layer["name"]: layer for layer in spec["layers"]}[name] for name in ("truth", "answer"))
    case = record.cohort[worst.key]
    stored = {
        "truth": nibabel.load(record.cohort.root / case.masks["label"]),
        "answer": nibabel.load(folder / "maps" / f"{worst.key}.answer.nii.gz"),
    }
    for name, layer in (("truth", truth), ("answer", answer)):
        ras = nibabel.as_closest_canonical(stored[name]).get_fdata()
        for index in range(spec["count"]):
            expected = ras[::-1, ::-1, index].T  # columns from the patient's right, rows from the front
            assert (cell(unpacked(layer["source"]), spec, index) == expected).all()
    assert spec["sides"] == ["R", "L", "A", "P"] and truth["kind"] == "outline" and answer["kind"] == "fill"
    wrong = [
        (cell(unpacked(truth["source"]), spec, i) != cell(unpacked(answer["source"]), spec, i)).sum()
        for i in range(spec["count"])
    ]
    assert spec["first"] == int(np.argmax(wrong)), "the first slice is the one with most to see"
    assert json.dumps(truth["source"])[1:60] in text


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRP", "AIL", "PSR"])
def test_a_volume_is_turned_the_way_it_is_read_however_it_is_stored(codes):
    """A bright voxel at the patient's right, front and top is at the left, upper end of the last slice."""
    import nibabel

    ras = np.zeros((6, 8, 10), np.float32)
    ras[5, 7, 9] = 100.0  # rightmost, foremost, topmost
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    stored = nibabel.orientations.apply_orientation(ras, turn)
    affine = np.eye(4) @ nibabel.orientations.inv_ornt_aff(turn, ras.shape)
    view, stack = view_of(Image(stored[None], affine))
    assert stack.grey.shape == (10, 8, 6) and stack.sides == ("R", "L", "A", "P")
    assert np.argwhere(stack.grey == 255).tolist() == [[9, 0, 0]]
    assert stack.places[-1].startswith("slice 10 of 10, foot–head")
    assert view.of(stored)[9, 0, 0] == 100


def test_thick_slices_are_what_is_walked_through():
    image = Image(np.random.default_rng(0).random((1, 20, 6, 24)).astype(np.float32), np.diag([1.0, 5.0, 1.0, 1.0]))
    _, stack = view_of(image)
    assert stack.grey.shape == (6, 24, 20) and stack.sides == ("R", "L", "S", "I") and stack.pixel == (1.0, 1.0)


def test_a_flat_picture_stays_as_it_is_stored():
    pixels = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    _, stack = view_of(Image(pixels, np.eye(4), meta={"geometry": "unknown"}))
    assert stack.grey.shape == (1, 3, 4) and stack.sides == ("",) * 4
    assert (np.diff(stack.grey[0], axis=1) > 0).sum() > 0 and stack.grey[0, 0, 0] == 0


def test_a_large_scan_keeps_the_page_small():
    rng = np.random.default_rng(1)
    image = Image(rng.normal(0, 1, (1, 600, 500, 90)).astype(np.float32), np.diag([0.7, 0.7, 1.0, 1.0]))
    label = np.zeros(image.shape, np.uint8)
    label[200:300, 200:300, 77] = 1
    view, stack = view_of(image, centre=77)
    assert len(stack.grey) <= 49 and max(stack.grey.shape[1:]) <= 320 and 77 in view.slices
    layer = label_layer("truth", "outline", label, view, ("background", "organ"))
    assert layer.array.shape == stack.grey.shape and layer.array.sum() > 0
    spec = figure(stack, [layer], 0, "a scan")
    assert len(json.dumps(spec)) < 3_000_000


def test_a_map_below_zero_is_told_from_one_that_is_not():
    image = Image(np.zeros((1, 4, 4), np.float32), np.eye(4), meta={"geometry": "unknown"})
    view, _ = view_of(image)
    plain = heat_layer("m", np.full((4, 4), 2.0), view)
    assert (plain.low, plain.high, int(plain.array.max())) == (0.0, 2.0, 255)
    signed = heat_layer("m", np.linspace(-1, 3, 16).reshape(4, 4), view)
    assert (signed.low, signed.high) == (-3.0, 3.0) and int(signed.array.max()) == 255
    nowhere = heat_layer("m", np.full((4, 4), np.nan), view)
    assert (nowhere.array == 0).all()


# -------------------------------------------------------------------- charts and tables


def test_every_finding_and_part_is_in_the_table(made):
    for name in MAKERS:
        folder, text = made[name]
        evidence = Evidence.read(folder / "evidence.json")
        section = Page(text[text.index('id="measures"') - 9 : text.index('id="refusals"') - 9]).words
        for finding in evidence.values():
            if finding.value == finding.value:
                assert f"{finding.value:.3f}" in section or f"{finding.value:.1f}" in section
            for part in finding.parts:
                assert part in section


def test_the_confusion_table_counts_truth_by_answer(made):
    record = Record.read(made["classification"][0])
    table = record.predictions.role("test").table
    table = table[table["truth"].notna()]
    found = context(record)["confusion"]
    for row, truth in enumerate(found.names):
        for column, answer in enumerate(found.names):
            assert found.counts[row][column] == int(((table["truth"] == truth) & (table["answer"] == answer)).sum())


def test_curves_have_named_axes_and_values_to_touch(made):
    _, text = made["classification"]
    words = Page(text).words
    for axis in ("false positive rate", "sensitivity", "recall", "precision", "predicted", "observed", "epoch"):
        assert axis in words
    assert text.count("data-tip=") > 100


def test_external_findings_are_told_apart_and_the_undefined_is_a_dash(made):
    words = Page(made["classification"][1]).words
    assert "external cases – – –" in words


def test_everything_needed_to_run_again_is_there(made):
    folder, text = made["segmentation"]
    words = Page(text).words
    evidence = Evidence.read(folder / "evidence.json")
    for fact in (evidence.facts["recipe"], evidence.facts["cohort"], "preceptor run recipe.yaml", "24 min", "2.13.0"):
        assert fact in words
    assert "network: {unet: {channels: [16, 32]}}" in words


def test_what_was_not_done_is_not_praised(made, tmp_path):
    """Without a recipe no check ran and no safeguard stood guard; the page must not say that they found nothing."""
    words = Page(made["regression"][1]).words
    assert "No check of the data is recorded" in words and "No safeguard stands between" in words
    folder = tmp_path / "run"
    shutil.copytree(made["regression"][0], folder)
    for name in ("recipe.yaml", "resolved.yaml", "environment.json"):
        (folder / name).unlink()
    assert "how they were made is not recorded" in Page(write_report(folder).read_text()).words


def test_an_explanation_lies_beside_its_image(made):
    """The image travels once and is drawn under every map; the brightest pixel of the map is the map's largest value."""
    record = Record.read(made["classification"][0])
    (explained,) = explained_cases(record.explanations)
    assert [view for view, _ in explained.views] == ["frontal", "lateral"]
    for view, figures in explained.views:
        assert [each["title"] for each in figures] == ["Image", "Grad-CAM", "Occlusion"]
        assert figures[0]["base"] and not any(each["base"] for each in figures[1:])
        stored = record.explanations[0].maps["grad_cam"][view]
        drawn = unpacked(figures[1]["layers"][0]["source"])
        assert drawn.shape == stored.T.shape, "columns run along x, rows along y"
        brightest = np.unravel_index(drawn.argmax(), drawn.shape)
        assert stored.T[brightest] > 0.99 * stored.max() and stored[brightest] < 0.99 * stored.max()
        assert figures[2]["layers"][0]["signed"] and not figures[1]["layers"][0]["signed"]


def test_a_group_that_is_all_right_is_not_promised_to_stay_so():
    """26 of 26 images of 13 patients: every resample is all right, and one patient in four may still be answered wrong."""
    from preceptor.prove.report.subgroups import _said

    values = {f"k{number}": 1.0 for number in range(26)}
    clusters = {f"k{number}": f"p{number // 2}" for number in range(26)}
    assert _said(values, clusters, True) == "26 of 26, 100 % [75, 100]"
    assert _said(dict.fromkeys(values, 0.0), clusters, True) == "0 of 26, 0 % [0, 25]"
