"""``deidentify`` and ``audit-phi`` on the command line: what they print, what they leave behind, how they end."""

from __future__ import annotations

import json
import zipfile

import pytest

from preceptor.cli import main
from preceptor.intake.deidentify.leaks import Needles
from tests.intake.deidentify.planted import KNOWN, write_folder


@pytest.fixture
def sent(tmp_path):
    write_folder(tmp_path / "in")
    (tmp_path / "key.txt").write_text("a key of sufficient length")
    (tmp_path / "known.csv").write_text(",".join(KNOWN) + "\n" + ",".join(KNOWN.values()) + "\n")
    return tmp_path


def test_a_folder_is_cleaned_then_searched(sent, capsys):
    command = ["deidentify", str(sent / "in"), str(sent / "out"), "--key", str(sent / "key.txt"), "--workers", "1"]
    assert (
        main([*command, "--retain", "modified-dates", "--retain", "descriptors", "--relink", str(sent / "who.csv")])
        == 3
    )
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 9 and "7 cleaned, 2 refused; " in said.err
    assert not Needles(KNOWN).search((said.out + said.err).encode())
    assert main(["audit-phi", str(sent / "out"), "--known", str(sent / "known.csv")]) == 0
    assert "nothing found: 8 values" in capsys.readouterr().out
    assert main(["audit-phi", str(sent / "in"), "--known", str(sent / "known.csv"), "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert not found["passed"] and {leak["value"] for leak in found["leaks"]} == {f"row 2, {name}" for name in KNOWN}
    assert not Needles(KNOWN).search(json.dumps(found).encode())
    assert main([*command, "--retain", "descriptors", "--retain", "modified-dates", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["files"] == {"done before": 7, "refused": 2}


def test_a_zip_is_taken_as_it_comes(sent, capsys):
    with zipfile.ZipFile(sent / "sent.zip", "w") as archive:
        for path in sorted((sent / "in").rglob("Quillfeather_*.dcm")):
            archive.write(path, path.relative_to(sent))
    command = [
        "deidentify",
        str(sent / "sent.zip"),
        str(sent / "out"),
        "--key",
        str(sent / "key.txt"),
        "--workers",
        "1",
    ]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == {"cleaned": 5}


def test_wrong_calls_end_with_2_and_show_no_path(sent, capsys):
    for more in (["--key", str(sent / "none")], ["--key", str(sent / "key.txt"), "--retain", "everything"]):
        assert main(["deidentify", str(sent / "in"), str(sent / "out"), *more]) == 2
        assert not Needles(KNOWN).search("".join(capsys.readouterr()).encode())
    assert main(["audit-phi", str(sent / "absent"), "--known", str(sent / "known.csv")]) == 3
