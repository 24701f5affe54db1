"""The door: what others wrote is read apart, equal to reading it here; what kills, hangs or swells its reader costs a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from preceptor.core.errors import PrepareError
from preceptor.intake import decoding, door
from preceptor.intake.door import read_apart
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_planes import write_planes

SOURCE = Path(__file__).parents[2] / "src" / "preceptor"

#: Who reads images in its own process, and why. Everything else that reads an image goes through the door.
READ_HERE = {
    "intake/door.py": "is the door",
    "intake/read.py": "holds the reader",
    "intake/video/clip_storage.py": "reads back what it has just written",
}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    Pillow.fromarray(rng.integers(0, 255, (9, 8), dtype=np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 9, (9, 8, 3), dtype=np.uint8), photometric="rgb")
    write_planes(tmp_path / "planes", rng.integers(0, 99, (6, 5, 4)).astype(np.uint16), np.diag([-1.0, -1, 2, 1]))
    (tmp_path / "frames").mkdir()
    for number in range(3):
        Pillow.fromarray(np.full((4, 5), number, np.uint8)).save(tmp_path / "frames" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("source", ["a.png", "a.tif", "planes", "planes/0001", "frames::rate_hz=25"])
def test_what_is_read_apart_is_what_is_read_here(source, folder):
    for is_label in (False, True):
        if is_label and source != "a.png":
            continue
        here, apart = (read(folder, source, is_label=is_label) for read in (read_image, read_apart))
        np.testing.assert_array_equal(apart.array, here.array)
        np.testing.assert_array_equal(apart.affine_mm, here.affine_mm)
        assert apart.array.dtype == here.array.dtype and apart.array.flags.writeable
        assert (apart.meta, apart.has_time, apart.is_label) == (here.meta, here.has_time, here.is_label)


@pytest.mark.parametrize(("name", "content"), [("a.png", b"\x89PNG\r\n\x1a\n"), ("a.txt", b"words"), ("none", None)])
def test_a_refusal_crosses_whole(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = []
    for read in (read_image, read_apart):
        with pytest.raises(PrepareError) as refused:
            read(tmp_path, name)
        told.append(refused.value.problem)
    assert told[0] == told[1] and told[0].code


def reader(monkeypatch, code: str, seconds: float = 30.0) -> None:
    """The next image is read by a process that runs this instead."""
    child = decoding.Child("preceptor.intake.door", "answer_requests", seconds)
    child._code = code
    monkeypatch.setattr(door, "_idle", [child])


def refused(folder, source: str = "a.png") -> str:
    with pytest.raises(PrepareError) as error:
        read_apart(folder, source)
    assert source not in str(error.value)
    return error.value.problem.code


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        "import time; time.sleep(60)",
        "import sys; sys.stdout.buffer.write(b'x' * 3)",
    ],
)
def test_a_reader_that_dies_or_hangs_costs_one_file(code, folder, monkeypatch):
    reader(monkeypatch, code, seconds=1.0)
    began = time.monotonic()
    assert refused(folder) == "reader_ended"
    assert time.monotonic() - began < 10
    # The same place in the row: a new process starts the reader proper.
    door._idle[0]._code = "from preceptor.intake.door import answer_requests; answer_requests()"
    door._idle[0]._seconds = 60
    assert read_apart(folder, "a.png").shape == (8, 9)


def test_what_a_reader_started_ends_with_it(folder, monkeypatch, tmp_path):
    started = tmp_path / "started"
    lasting = f"import pathlib, os, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {lasting!r}])"
    reader(monkeypatch, code, seconds=2.0)
    assert refused(folder) == "reader_ended"
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.kill(int(started.read_text()), 0)
            time.sleep(0.1)


def test_memory_has_a_limit(folder, monkeypatch):
    with (folder / "large.tif").open("wb") as file:
        tifffile.imwrite(file, shape=(16000, 16000), dtype=np.uint8)  # 256 MB of nothing, sparse on the disk
    now = "int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()"
    limit = (
        f"import resource, tifffile; from preceptor.intake import door, read, tiff; door.MEMORY_BYTES = {now} + 2**27"
    )
    reader(monkeypatch, f"{limit}; door.answer_requests()")
    assert refused(folder, "large.tif") == "memory_limit"
    assert read_apart(folder, "a.png").shape == (8, 9)  # by the same process


def test_no_process_asks_for_more_memory_than_the_one_that_started_it_may(tmp_path):
    """The video inside a DICOM file is decoded by a child of the door's, and slices by one of their own."""
    for limited, most in ((2**31, 2**31), (None, 16 * 2**30)):
        code = "import resource, sys\n"
        code += f"resource.setrlimit(resource.RLIMIT_AS, ({limited}, {limited}))\n" if limited else ""
        code += "from preceptor.intake import decoding\ndecoding.requests = lambda: []\ndecoding.answer_requests()\n"
        code += "sys.stderr.write(str(resource.getrlimit(resource.RLIMIT_AS)))"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
        soft, hard = map(int, re.findall(r"-?\d+", told))
        assert 0 < soft == hard <= most


def test_a_file_of_two_kinds_is_read_apart_if_one_of_them_needs_a_decoder(folder, monkeypatch):
    """The 128 bytes before a DICOM file's mark are anybody's: those of an archive open no other way in."""
    path = folder / "planes" / "0001"
    content = path.read_bytes()
    path.write_bytes(b"PK\x03\x04".ljust(128, b"\0") + content[128:])
    reader(monkeypatch, "import os; os.abort()")
    assert refused(folder, "planes/0001") == "reader_ended"


def test_a_file_that_was_written_anew_is_decoded_anew(tmp_path):
    from pydicom import dcmread
    from pydicom.uid import RLELossless

    rng = np.random.default_rng(1)
    kept = []
    for number in range(2):
        stored = rng.integers(0, 99, (6, 5, 1)).astype(np.uint16)
        write_planes(tmp_path / str(number), stored, np.diag([-1.0, -1, 2, 1]))
        dataset = dcmread(next((tmp_path / str(number)).iterdir()))
        kept.append(dataset.pixel_array.copy())
        dataset.compress(RLELossless)
        dataset.save_as(tmp_path / "a.dcm")
        os.utime(tmp_path / "a.dcm", ns=(number, number))
        np.testing.assert_array_equal(decoding.decode_apart(tmp_path / "a.dcm", None, "pydicom"), kept[-1])
    assert not np.array_equal(*kept)


def test_addresses_do_not_cross(folder, monkeypatch):
    facts = '{"shape": [1], "dtype": "|O", "affine_mm": [], "has_time": false, "meta": {}}'
    sent = f"import struct; out.write(struct.pack('<Q', {len(facts)}) + {facts.encode()!r} + struct.pack('<Q', 8) + b'A' * 8)"
    reader(monkeypatch, f"import sys, time; out = sys.stdout.buffer; {sent}; out.flush(); time.sleep(30)", seconds=5)
    assert refused(folder) == "reader_ended"


def test_every_other_reader_of_images_goes_through_the_door():
    imported = re.compile(r"import [^#\n]*\bread_image\b")
    found = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if imported.search(path.read_text())}
    assert found <= set(READ_HERE), "read through preceptor.intake.door.read_apart"


def test_a_forked_worker_reads_by_a_process_of_its_own(folder):
    import multiprocessing

    here = read_apart(folder, "a.png")
    with door._lock, multiprocessing.get_context("fork").Pool(1) as pool:  # a thread holds the lock while another forks
        there = pool.apply(read_apart, (folder, "a.png"))
    np.testing.assert_array_equal(there.array, here.array)
    np.testing.assert_array_equal(read_apart(folder, "a.png").array, here.array)
