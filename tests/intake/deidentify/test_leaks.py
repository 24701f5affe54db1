"""The search for known values finds each form it promises, and nothing where nothing is."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.intake.deidentify.leak_audit import audit_folder, read_known
from preceptor.intake.deidentify.leaks import Needles

NAME = "Quillfeather^Zebedee"
NEEDLES = Needles({"name": NAME, "birth": "19510423", "umlaut": "Grünspan", "short": "ab"})


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", content)
    return out.getvalue()


def _tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("member")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz "], ids=len)
@pytest.mark.parametrize(
    "hide",
    [
        lambda text: text.encode(),
        lambda text: text.lower().encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: base64.b64encode(b"a patient: " + text.encode()),
        lambda text: b"data:" + base64.urlsafe_b64encode(b"12" + text.encode()) + b";",
        lambda text: text.encode().hex().encode(),
        lambda text: text.replace("^", "%5E").encode(),
    ],
    ids=["plain", "small letters", "UTF-16", "UTF-16, big", "base64", "base64 for addresses", "hexadecimal", "web"],
)
def test_every_form_is_found(hide, before):
    # base64 and hexadecimal runs stand between other characters, as they do in files
    assert {hit.name for hit in NEEDLES.search(before + b"<" + hide(NAME) + b"> and more")} == {"name"}


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zlib.compress,
        _zip,
        _tar,
        lambda data: _zip(gzip.compress(_tar(data))),
        lambda data: b"%PDF-1.4 stream\n" + zlib.compress(data) + b"\nendstream",
    ],
    ids=["gzip", "zlib", "zip", "tar", "three deep", "PDF"],
)
def test_containers_are_opened(pack):
    packed = pack(b"a report on " + NAME.encode() + b" " * 300)
    assert {hit.name for hit in NEEDLES.search(packed)} == {"name"}
    assert not NEEDLES.search(pack(b"a report on nobody" + b" " * 300))


def test_names_in_order_and_dates_written_out():
    assert {hit.name for hit in NEEDLES.search(b"Mr Zebedee QUILLFEATHER, born 23.04.1951")} == {"name", "birth"}
    assert {hit.name for hit in NEEDLES.search(json.dumps({"who": "Grünspan"}).encode())} == {"umlaut"}
    assert {hit.name for hit in NEEDLES.search("Grünspan".encode("latin-1"))} == {"umlaut"}
    assert NEEDLES.left_out == ("short",)


def test_nothing_is_found_in_noise_and_ten_thousand_values_are_each_found():
    rng = np.random.default_rng(3)
    assert not NEEDLES.search(rng.bytes(1_000_000))
    values = {f"v{number}": f"CANARY{number:06d}" for number in range(10_000)}
    text = " ".join(values.values()).encode()
    assert {hit.name for hit in Needles(values).search(text)} == set(values)


def test_a_folder_is_searched_with_its_names_and_told_without_values(tmp_path):
    folder = tmp_path / "out"
    (folder / "Quillfeather^Zebedee").mkdir(parents=True)
    (folder / "Quillfeather^Zebedee/a.txt").write_text("nothing")
    (folder / "b.bin").write_bytes(gzip.compress(b"born 1951-04-23"))
    (folder / "c.txt").write_text("clean")
    (tmp_path / "known.csv").write_text(f"name,birth\n{NAME},19510423\n")
    known = read_known(tmp_path / "known.csv")
    found = audit_folder(folder, known)
    assert {(number, hit.name) for number, _, hit in found.leaks} == {(1, "row 2, name"), (2, "row 2, birth")}
    assert not found.passed and found.files == 3
    told = json.dumps(found.to_json())
    assert "Quillfeather" not in told and "1951" not in told
    with pytest.raises(CohortError):
        read_known(tmp_path / "absent.csv")
    with pytest.raises(CohortError):
        audit_folder(tmp_path / "absent", known)


@pytest.mark.parametrize(
    "table",
    [
        "name;id\nQuillfeather;998877",
        "name\tid\r\nQuillfeather\t998877\r\n",
        "name\nQuillfeather,998877",
        "n,n\nQuillfeather,998877",
    ],
    ids=["semicolons", "tabs", "a cell beyond the heading", "one heading twice"],
)
def test_no_cell_of_a_table_is_passed_over(tmp_path, table):
    """A value that is not looked for is not found, and the folder would pass."""
    (tmp_path / "known.csv").write_text(table, newline="")
    assert sorted(read_known(tmp_path / "known.csv").values()) == ["998877", "Quillfeather"]


def test_names_of_folders_that_hold_no_file_are_searched_and_links_to_folders_told(tmp_path):
    (tmp_path / "out/deep/Quillfeather").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.txt").write_text("Quillfeather")
    assert [hit.name for _, _, hit in audit_folder(tmp_path / "out", {"who": "Quillfeather"}).leaks] == ["who"]
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/to").symlink_to(tmp_path / "elsewhere")
    audit = audit_folder(tmp_path / "linked", {"who": "Quillfeather"})
    assert not audit.passed and [why for _, _, why in audit.unsearched] == ["a link"] and not audit.files
