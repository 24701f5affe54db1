"""Known answers of hostile input: thousands of damaged files, each read or refused by name; bombs, links, deep nesting."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image
from tests.fuzzing.bombs import BOMBS
from tests.fuzzing.campaign import answer_of, importable, reading_child, tried
from tests.fuzzing.readers import READERS
from tests.fuzzing.reading_process import NAME, content_of, outcome_of
from tests.fuzzing.seeds import KINDS, write_seeds
from tests.intake import test_changed_annotations as changed

#: Kinds whose libraries load in less time than a fast test has.
LIGHT = ("nifti", "nifti_gz", "png", "jpeg", "bmp", "npy", "npz", "coco", "geojson", "mdai")


HEAVY = tuple(kind for kind in KINDS if kind not in LIGHT)


#: Refused by what they claim or hold, each by its own code; a directory that follows itself is read, once.
CODES = {
    "JSON nested 200,000 deep": "annotation_json",
    "GeoJSON of collections in collections": "annotation_json",
    "40,000 x 40,000 pixels in three run lengths": "annotation_format",
    "a polygon over 40,000 x 40,000 pixels": "annotation_format",
    "rings over 40,000 x 40,000 pixels": "annotation_too_large",
    "eight million empty objects": "json_bomb",
    "sixteen million empty lists": "json_bomb",
    "YAML of 50,000 open brackets": "recipe_too_deep",
    "YAML indented a thousand times": "recipe_too_deep",
    "YAML whose aliases unfold to 9^20": "yaml_alias",
    "YAML of 400,000 values": "recipe_too_large",
    "Parquet of 250 million equal keys": "cohort_unreadable",
    "PNG with 300 MiB of text": "damaged",
    "PNG with a colour profile of 300 MiB": "damaged",
    "JPEG of 65,500 x 65,500": "too_large",
    "BMP of 2^30 x 2^30": "too_large",
    "TIFF of 2^31 x 2^31": "too_large",
    "TIFF whose directory follows itself": "read",
    "TIFF of 2^31 strips": "damaged",
    "TIFF of 8 x 8 whose strip inflates to 200 MiB": "damaged",
    "TIFF of 16 x 16 in a tile of 2^20 x 2^20": "too_large",
    "TIFF of 4 x 4 whose strip takes 4 GiB": "truncated",
    "GIF of 18 plain frames of 6,000 x 6,000": "decompression_bomb",
    "NIfTI-2 of 2^62 voxels": "too_large",
    "NIfTI in gzip, its voxels missing": "decompression_bomb",
    "NPZ of 300 MiB of zeros": "decompression_bomb",
    "NPY whose header nests": "damaged",
    "NPY whose header is a sum": "damaged",
    "zip of 200 entries that share 40 MiB of zeros": "archive_bomb",
    "DICOM of 2^31 frames": "too_large",
    "DICOM of 65,535 x 32,767 in run lengths": "decompression_bomb",
    "DICOM of annotations that inflates to 600 MiB": "decompression_bomb",
    "DICOM around a JPEG of 65,500 x 65,500": "dicom_damaged",
}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Path:
    """Whole files of the light kinds."""
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(folder, LIGHT)
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """What a process of its own makes of one file: its outcome, seconds, and by how much its memory rose."""
    folder = tmp_path_factory.mktemp("bombs")
    with importable():
        child = reading_child()

        def read(kind: str, path: Path, suffix: str) -> dict:
            if not (folder / kind).exists():
                write_seeds(folder, [kind])
            return answer_of(child, {"kind": kind, "seeds": str(folder), "path": str(path), "suffix": suffix})

        yield read
        child.stop()


def outcomes(found) -> dict[str, int]:
    read = sum(number for (_, outcome), number in found.outcomes.items() if outcome == "read")
    return {"read": read, "refused": found.files - read - len(found.findings)}


# ------------------------------------------------------------------------------- the same here, and through the door


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("kind", ["nifti", "nifti_gz", "npy", "coco", "mdai", "geojson"])
def test_readers_that_need_no_decoder_read_or_refuse_in_this_process(kind, seeds, tmp_path):
    told = Counter()
    for number in range(60):
        suffix, content = content_of(seeds, kind, number, seed=7)
        path = tmp_path / f"{NAME}{suffix}"
        path.write_bytes(content)
        told[outcome_of(kind, path)] += 1
    assert not [outcome for outcome in told if " " in outcome]
    assert 0 < told["read"] < 60


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize(
    "name",
    [
        "eight million empty objects",
        "TIFF of 16 x 16 in a tile of 2^20 x 2^20",
        "TIFF of 4 x 4 whose strip takes 4 GiB",
        "TIFF of 8 x 8 whose strip inflates to 200 MiB",
        "NPY whose header nests",
    ],
)
def test_a_bomb_is_refused_by_its_code_in_this_process(name, tmp_path):
    kind, suffix, make = BOMBS[name]
    (tmp_path / f"a{suffix}").write_bytes(make())
    assert outcome_of(kind, tmp_path / f"a{suffix}") == CODES[name]


@pytest.mark.answer("I12.3")
def test_half_a_letter_is_no_text(tmp_path):
    content = changed.coco()
    content["categories"][0]["name"] = "\ud800"
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert outcome_of("coco", tmp_path / "a.json") == "annotation_json"


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("kind", ["coco", "mdai", "geojson"])
def test_a_whole_number_longer_than_any_float_is_refused(kind, tmp_path):
    content = json.dumps(getattr(changed, kind)())
    places = [match.span() for match in re.finditer(r"(?<=[\[ ])\d+(?=[,\]}])", content)]
    for start, end in places:
        (tmp_path / "a.json").write_text(content[:start] + "9" * 400 + content[end:])
        assert " " not in outcome_of(kind, tmp_path / "a.json")
    assert len(places) > 5


@pytest.mark.answer("I12.3")
def test_what_kills_its_reader_or_sends_addresses_costs_one_file(tmp_path, monkeypatch):
    from PIL import Image

    from preceptor.intake import decoding, door

    Image.new("L", (5, 4)).save(tmp_path / "a.png")
    child = decoding.Child("preceptor.intake.door", "answer_requests", 5)
    monkeypatch.setattr(door, "_idle", [child])
    whole = child._code
    facts = json.dumps(
        {"shape": [1, 1, 1], "dtype": "|O", "affine_mm": np.eye(4).tolist(), "has_time": False, "meta": {}}
    )
    sent = f"struct.pack('<Q', {len(facts)}) + {facts.encode()!r} + struct.pack('<Q', 8) + bytes(8)"
    for code in ("import os; os.abort()", f"import struct, sys, time; sys.stdout.buffer.write({sent})"):
        child._code = code
        with pytest.raises(PrepareError) as refused:
            door.read_apart(tmp_path, "a.png")
        assert refused.value.problem.code == "reader_ended"
        child._code = whole
        assert door.read_apart(tmp_path, "a.png").shape == (5, 4)
        child.stop()


# ------------------------------------------------------------------------------------------------------------- bombs

#: Seconds to load libraries, or to write the bomb, are more than a fast test has.
LONG = ("recipe", "cohort", "png", "gif", "npz", "dicom", "zip")


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if BOMBS[name][0] in LONG else []) for name in BOMBS]
)
def test_a_bomb_is_refused_before_memory_is_spent(name, reader, tmp_path):
    kind, suffix, make = BOMBS[name]
    if kind == "gif":
        pytest.importorskip("av")
    path = tmp_path / "bomb"
    path.write_bytes(make())
    told = reader(kind, path, suffix)
    assert told["outcome"] == CODES[name]
    assert told["rise_mib"] < 200 and told["seconds"] < 10


# ------------------------------------------------------------------------------------------- what leads elsewhere


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("target", ["/dev/zero", "/proc/self/mem", "."])
def test_a_link_to_what_has_no_end_is_no_image(target, tmp_path):
    (tmp_path / "a.png").symlink_to(target)
    with pytest.raises(PrepareError):
        read_image(tmp_path, "a.png")


@pytest.mark.answer("I12.3")
def test_a_pipe_is_waited_for_by_nobody(tmp_path):
    from preceptor.core.errors import PreceptorError
    from preceptor.intake.dicom.scanning import scan

    os.mkfifo(tmp_path / "a.dcm")
    for read in (lambda: read_image(tmp_path, "a.dcm"), lambda: read_image(tmp_path, ".")):
        with pytest.raises(PrepareError):
            read()
    with pytest.raises(PreceptorError):
        scan(tmp_path / "a.dcm")
    assert not scan(tmp_path).rows


@pytest.mark.answer("I12.3")
def test_a_folder_of_links_is_not_followed_out_of_it(tmp_path):
    from preceptor.intake.dicom.scanning import scan
    from preceptor.intake.synthesis.phantom_planes import write_planes

    (plane,) = write_planes(tmp_path / "outside", np.zeros((4, 4, 1), np.uint16), np.eye(4))
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a.dcm").symlink_to(plane)
    (tmp_path / "given" / "b").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "given" / "c").symlink_to(tmp_path / "given", target_is_directory=True)
    assert not scan(tmp_path / "given").rows


# ------------------------------------------------------------------------------------------------ thousands of damages


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("kind", LIGHT)
def test_what_is_damaged_was_right(kind, seeds, tmp_path):
    for whole in sorted((seeds / kind).iterdir()):
        READERS[kind](Path(shutil.copy(whole, tmp_path)))


@pytest.mark.slow
@pytest.mark.answer("I12.3")
def test_what_is_damaged_and_slow_to_load_was_right(tmp_path):
    write_seeds(tmp_path, HEAVY)
    for kind in HEAVY:
        for whole in sorted((tmp_path / kind).iterdir()):
            READERS[kind](whole)


@pytest.mark.answer("I12.3")
def test_three_hundred_damaged_files_are_read_or_refused(seeds):
    found = tried(seeds, [(kind, number) for number in range(300 // len(LIGHT)) for kind in LIGHT], processes=1)
    assert not found.findings
    assert found.files == 300 and min(outcomes(found).values()) > 60


@pytest.mark.slow
@pytest.mark.answer("I12.3")
def test_five_thousand_damaged_files_are_read_or_refused(tmp_path):
    write_seeds(tmp_path)
    files = [(kind, number) for number in range(-(-5000 // len(KINDS))) for kind in KINDS][:5000]
    found = tried(tmp_path, files)
    assert not found.findings, found.findings[:20]
    assert found.files == 5000 and min(outcomes(found).values()) > 1000
    assert {kind for kind, outcome in found.outcomes if outcome == "read"} == set(KINDS)
