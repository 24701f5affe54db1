"""I12.4: names in archives that want out of the folder, hide one another or are none: nothing lands outside."""

from __future__ import annotations

import io
import stat
import tarfile
import unicodedata
import zipfile

import pytest

from preceptor.core.errors import CohortError
from preceptor.intake.unpacking import unpack, unpacked


def zipped(path, *entries, mode=stat.S_IFREG | 0o644):
    """An archive of ``(name, content)``, with names as they are: zipfile itself would tidy some of them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return path


def lying(folder):
    """Everything below the folder, links named as such."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


HOSTILE = {
    "parent": ["../evil"],
    "absolute": ["/evil"],
    "drive": ["C:\\evil"],
    "hidden parent": ["a/../../evil"],
    "nul": ["evil\0.dcm"],
    "very long": ["e" * 5000],
    "case twins": ["Scan.dcm", "scan.dcm"],
    "normal forms": [unicodedata.normalize(form, "Müller.dcm") for form in ("NFC", "NFD")],
    "empty": [""],
}


@pytest.mark.answer("I12.4")
@pytest.mark.parametrize("kind", HOSTILE)
def test_names_lead_nowhere_and_hide_nothing(kind, tmp_path):
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    names = HOSTILE[kind]
    archive = zipped(tmp_path / "a.zip", *((name, f"file {number}".encode()) for number, name in enumerate(names)))
    written = unpack(archive, target)
    assert [path.read_bytes() for path in written] == [f"file {number}".encode() for number in range(len(names))]
    assert lying(tmp_path) == {"a.zip"} | {path.relative_to(tmp_path).as_posix() for path in written}
    assert all(path.resolve().is_relative_to(target.resolve()) for path in written)
    assert not any("evil" in part or "üller" in part for path in written for part in path.relative_to(target).parts)


@pytest.mark.answer("I12.4")
@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices_are_refused(kind, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    archive = zipped(tmp_path / "a.zip", ("link", b"/etc/passwd"), mode=kind | 0o777)
    with pytest.raises(CohortError) as caught:
        unpack(archive, target)
    assert caught.value.problem.code == "archive_link"
    assert lying(tmp_path) == {"a.zip"}


@pytest.mark.answer("I12.4")
def test_a_tar_archive_with_a_hard_link_is_not_unpacked(tmp_path):
    """Python's own tarfile writes ``../evil`` outside where no filter is set; tar archives are not opened at all."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("../evil", tarfile.REGTYPE), ("hard", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry, io.BytesIO())
    with unpacked(path) as source:
        assert source == path
    assert lying(tmp_path) == {"a.tar"}


@pytest.mark.answer("I12.4")
def test_an_unpacked_archive_goes_again_and_damage_is_said(tmp_path):
    archive = zipped(tmp_path / "a.zip", ("../evil", bytes(1000)))
    with unpacked(archive) as folder:
        assert len(lying(folder)) == 1 and folder != tmp_path
    assert not folder.exists() and lying(tmp_path) == {"a.zip"}
    content = archive.read_bytes()
    for place in range(30, len(content), 3):
        archive.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            with unpacked(archive):
                pass
        except CohortError as error:
            assert "evil" not in str(error) and error.problem.code.startswith("archive_")
    assert lying(tmp_path) == {"a.zip"}
