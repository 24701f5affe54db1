"""Files that are whole or not there."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
import torch

from preceptor.core import files
from preceptor.core.errors import BundleError
from preceptor.core.files import digest_file, read_tensors, write_aside, write_tensors

TENSORS = {"weight": torch.arange(12.0).reshape(3, 4), "count": torch.tensor(7)}


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_aside(path) as aside:
        aside.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["facts.json"]


def test_the_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    """A rename that the disk learns of before the content leaves an empty file after a power cut."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(handle):
        done.append("folder" if Path(f"/proc/self/fd/{handle}").resolve().is_dir() else "file")
        fsync(handle)

    def noting_replace(self, target):
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    with write_aside(tmp_path / "a") as aside:
        aside.write_bytes(b"whole")
    assert done == ["file", "rename", "folder"]


def test_tensors_come_back(tmp_path):
    write_tensors(tmp_path / "a.safetensors", TENSORS, {"epoch": 3})
    tensors, record = read_tensors(tmp_path / "a.safetensors")
    assert record == {"epoch": 3}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_impossible_header_is_refused_before_anything_is_allocated(tmp_path):
    path = tmp_path / "bomb.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest_file(path), "record": {}}))
    with pytest.raises(BundleError, match="claims a length"):
        read_tensors(path)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"sha256": 1', '{"sha256": "0", "record": {}}'])
def test_a_record_that_is_no_record_is_refused(tmp_path, record):
    write_tensors(tmp_path / "a.safetensors", TENSORS, {})
    (tmp_path / "a.json").write_text(record)
    with pytest.raises(BundleError) as caught:
        read_tensors(tmp_path / "a.safetensors")
    assert caught.value.problem.code == "tensors_damaged"


def test_tensors_of_another_file_are_refused(tmp_path):
    write_tensors(tmp_path / "a.safetensors", TENSORS, {})
    write_tensors(tmp_path / "b.safetensors", {"weight": torch.zeros(3, 4)}, {})
    (tmp_path / "b.safetensors").replace(tmp_path / "a.safetensors")
    with pytest.raises(BundleError):
        read_tensors(tmp_path / "a.safetensors")


def test_a_file_may_lie_in_a_folder_that_is_not_there_yet(tmp_path):
    with write_aside(tmp_path / "a/b/c.csv") as aside:
        aside.write_text("whole")
    assert (tmp_path / "a/b/c.csv").read_text() == "whole" and len(list((tmp_path / "a/b").iterdir())) == 1
