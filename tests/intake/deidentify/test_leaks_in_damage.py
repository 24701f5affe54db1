"""A damaged member of an archive hides nothing of the members after it, whatever its decoder raises."""

from __future__ import annotations

import io
import zipfile

import pytest

from preceptor.intake.deidentify.leak_audit import audit_folder


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_name_behind_a_damaged_member_is_found(how, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        archive.writestr("a", b"words and words " * 200)
        archive.writestr("b", b"seen by Zacharias today")
    content = bytearray(stream.getvalue())
    start = 30 + len("a") + (9 if how == zipfile.ZIP_LZMA else 0)
    content[start + 4 : start + 24] = bytes(each ^ 0x5A for each in content[start + 4 : start + 24])
    (tmp_path / "a.zip").write_bytes(content)
    found = audit_folder(tmp_path, {"name": "Zacharias"})
    assert "zip member 1" in found.leaks[0][2].how
