"""`preceptor annotations` end to end: files in, files out, several readers, nothing overwritten."""

import json

import numpy as np
import pandas
import pytest

from preceptor.cli import main
from preceptor.intake.annotations.agreeing import agreement, consensus
from preceptor.intake.annotations.coco import read_coco, write_coco
from preceptor.intake.annotations.files import read_annotations
from preceptor.intake.annotations.painting import as_geometry, as_mask
from preceptor.intake.annotations.record import Annotation, Annotations, joined
from preceptor.intake.read import read_image

SIZE = (12, 9)


def square(x, y, width, height):
    mask = np.zeros(SIZE, bool)
    mask[x : x + width, y : y + height] = True
    return mask


READ = {"R1": square(2, 2, 6, 4), "R2": square(2, 2, 6, 4), "R3": square(3, 2, 6, 4)}


@pytest.fixture
def files(tmp_path):
    """A COCO file a reader: all drew on a.png, nobody on b.png."""
    made = []
    for name, mask in READ.items():
        rows = (Annotation("a.png", "nodule", "mask", as_geometry(mask), image="a.png"),)
        made.append(tmp_path / f"{name}.json")
        write_coco(made[-1], Annotations(rows, {"a.png": SIZE, "b.png": SIZE}, ("nodule",)))
    return made


def told(capsys, *arguments, code=0):
    assert main([*map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out or "{}")


def several(files):
    others = [part for path in files[1:] for part in ("--also", path)]
    return [files[0], *others, *(part for name in READ for part in ("--reader", name))]


def test_readers_are_kept_apart_compared_and_brought_together(files, tmp_path, capsys):
    source, *options = several(files)
    said = told(capsys, "annotations", "convert", source, tmp_path / "all.csv", *options)
    assert said["annotations"] == 3 and said["readers"] == ["R1", "R2", "R3"]
    assert pandas.read_csv(tmp_path / "all.csv")["reader"].tolist() == ["R1", "R2", "R3"]

    agreed = {row["readers"]: row for row in told(capsys, "annotations", "agree", tmp_path / "all.csv")["agreement"]}
    assert agreed["R1, R2"]["value"] == 1 and agreed["R1, R3"]["value"] == pytest.approx(2 * 20 / 48)
    assert agreed["R1, R3"]["lower"] is None

    said = told(
        capsys,
        "annotations",
        "convert",
        tmp_path / "all.csv",
        tmp_path / "c.json",
        "--to",
        "coco",
        "--consensus",
        "staple",
    )
    quality = {row["reader"]: row for row in said["quality"]}
    assert quality["R1"]["sensitivity"] == pytest.approx(1, abs=1e-6) and quality["R3"]["sensitivity"] == pytest.approx(
        20 / 24, abs=1e-6
    )
    assert quality["R3"]["specificity"] == pytest.approx(1 - 4 / 84, abs=1e-6) and quality["R3"]["converged"]
    made = read_coco(tmp_path / "c.json")
    assert made.readers == ("consensus",) and np.array_equal(as_mask(made.rows[0], SIZE), READ["R1"])


def test_masks_are_files_that_a_dataset_reads_and_what_was_looked_at_in_vain_is_empty(files, tmp_path, capsys):
    told(capsys, "annotations", "convert", files[0], tmp_path / "masks")
    found = read_image(tmp_path, "masks/nodule/a.png", is_label=True)
    assert np.array_equal(found.array[0] != 0, READ["R1"])
    assert not read_image(tmp_path, "masks/nodule/b.png", is_label=True).array.any()
    assert main(["annotations", "convert", str(files[0]), str(tmp_path / "masks")]) == 2


def test_a_name_in_a_file_leads_nowhere_outside(tmp_path, capsys):
    rows = (Annotation("../../up/a.png", "../x", "mask", as_geometry(READ["R1"]), image="../../up/a.png"),)
    write_coco(tmp_path / "in.json", Annotations(rows, {"../../up/a.png": SIZE}))
    told(capsys, "annotations", "convert", tmp_path / "in.json", tmp_path / "masks")
    assert [path.relative_to(tmp_path / "masks").parts for path in (tmp_path / "masks").rglob("*.png")] == [
        ("x", "up-a.png")
    ]


def test_what_can_not_be_done_is_said(files, tmp_path, capsys):
    source, *options = several(files)
    convert = ["annotations", "convert", source]
    assert told(capsys, *convert, tmp_path / "out.json", code=2)["error"]["code"] == "form_unknown"
    (tmp_path / "there.csv").write_text("mine")
    assert told(capsys, *convert, tmp_path / "there.csv", code=2)["error"]["code"] == "file_taken"
    assert (tmp_path / "there.csv").read_text() == "mine"
    two = options[:2] + ["--reader", "R1", "--reader", "R2"]
    assert (
        told(capsys, *convert, tmp_path / "o.csv", *two, "--consensus", "staple", code=3)["error"]["code"]
        == "consensus"
    )
    assert told(capsys, "annotations", "agree", source, code=3)["error"]["code"] == "readers_few"
    assert (
        told(capsys, *convert, tmp_path / "o.csv", "--reader", "R1", "--reader", "R2", code=2)["error"]["code"]
        == "readers_unfit"
    )
    assert told(capsys, *convert, tmp_path / "o.dcm", code=2)["error"]["code"] == "image_needed"
    (tmp_path / "x.json").write_text("{}")
    assert (
        told(capsys, "annotations", "convert", tmp_path / "x.json", tmp_path / "o.csv", code=3)["error"]["code"]
        == "annotation_format"
    )


def test_ties_are_as_was_asked(files):
    found = joined(
        [read_annotations(path).by_reader(name) for path, name in zip(files[::2], ("R1", "R3"), strict=True)]
    )
    for tie, pixels in (("background", 20), ("foreground", 28)):
        made, quality = consensus(found, "majority", tie=tie)
        assert as_mask(made.rows[0], SIZE).sum() == pixels
        assert quality["sensitivity"].tolist() == pytest.approx([min(1, 24 / pixels)] * 2)


def test_what_is_said_of_whole_images_is_voted_on_and_silence_counts_where_all_looked():
    said = {"R1": (1, 1, 0, 0, 1), "R2": (1, 0, 0, 0, 1), "R3": (1, 1, 0, 1, 0)}
    rows = [
        Annotation(f"case {n}", "effusion" if value else "other", "none", reader=reader, scope="study")
        for reader, values in said.items()
        for n, value in enumerate(values)
    ]
    found = Annotations(tuple(rows))
    table = agreement(found).query("label == 'effusion'").set_index("readers")
    assert table.loc["R1, R2", "value"] == pytest.approx(0.6153846) and table.loc["all", "measure"] == "Fleiss' kappa"
    made, _ = consensus(found, "majority")
    assert [row.case for row in made.rows if row.label == "effusion"] == ["case 0", "case 1", "case 4"]

    drawn = [
        Annotation("a", "cell", "mask", as_geometry(READ["R1"]), reader=reader, image="a") for reader in ("R1", "R2")
    ]
    looked = Annotation("a", "artefact", "none", reader="R3", image="a")
    silent = Annotations((*drawn, looked))
    made, quality = consensus(silent, "staple")
    assert len(made) == 1 and set(quality["reader"]) == {"R1", "R2", "R3"}
    alone = Annotations((*drawn, Annotation("b", "artefact", "none", reader="R3", image="b")))
    assert set(consensus(alone, "majority")[1]["reader"]) == {"R1", "R2"}
    assert {"R1", "R2", "R3"} <= set(consensus(alone, "majority", everyone=True)[1]["reader"])


def test_images_named_by_uids_have_a_mask_each_and_two_frames_are_not_painted_into_one(tmp_path, capsys):
    """The last number of a UID is no suffix: taken for one, all images of a series share a file."""
    drawn = {"1.2.3.101": READ["R1"], "1.2.3.102": READ["R3"]}
    rows = [Annotation("1.2", "nodule", "mask", as_geometry(mask), image=name) for name, mask in drawn.items()]
    Annotations(tuple(rows)).table().to_csv(tmp_path / "in.csv", index=False)
    told(capsys, "annotations", "convert", tmp_path / "in.csv", tmp_path / "masks")
    for name, mask in drawn.items():
        found = read_image(tmp_path, f"masks/nodule/{name}.png", is_label=True)
        assert np.array_equal(found.array[0] != 0, mask)
    frames = [Annotation("1.2", "nodule", "mask", as_geometry(READ["R1"]), image="1.2.3", frame=n) for n in (0, 7)]
    Annotations(tuple(frames)).table().to_csv(tmp_path / "frames.csv", index=False)
    said = told(capsys, "annotations", "convert", tmp_path / "frames.csv", tmp_path / "more", code=2)
    assert said["error"]["code"] == "names_alike" and not list(tmp_path.glob("more/**/*.png"))
