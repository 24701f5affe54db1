"""Known answers I12.2 and I12.6: no file runs code, and no file that is half written or altered is read."""

from __future__ import annotations

import ast
import json
import os
import random
import resource
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import preceptor
from preceptor.core.errors import BundleError, PrepareError, TrainError
from preceptor.core.files import digest_file, read_tensors, write_aside
from preceptor.deliver.bundle import Bundle
from preceptor.deliver.container import Container, write_container
from preceptor.intake.read import read_image
from preceptor.learn import checkpoint
from preceptor.prove.explaining.explanation import Explanation

SEALED = Path(__file__).parents[1] / "deliver" / "golden" / "v1.preceptor"
SOURCES = sorted(Path(preceptor.__file__).parent.rglob("*.py"))


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "it ran".replace(" ", "_")


# -------------------------------------------------------------------- I12.2: nothing runs


@pytest.mark.answer("I12.2")
def test_the_payload_of_these_tests_is_live(tmp_path, marker):
    torch.save(Payload(marker), tmp_path / "live.pt")
    torch.load(tmp_path / "live.pt", weights_only=False)
    assert marker.exists()


@pytest.mark.answer("I12.2")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_in_place_of_weights_is_refused_and_not_run(tmp_path, marker, zipped):
    path = tmp_path / "best.safetensors"
    torch.save({"a": Payload(marker)}, path, _use_new_zipfile_serialization=zipped)
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest_file(path), "record": {"tree": {"pairs": []}}}))
    with pytest.raises(BundleError):
        read_tensors(path)
    with pytest.raises(BundleError):
        checkpoint.load_weights(torch.nn.Linear(1, 1), path)
    with pytest.raises(BundleError):
        Bundle.open(path)
    assert not marker.exists()


@pytest.mark.answer("I12.2")
def test_a_pickle_inside_a_bundle_is_refused_and_not_run(tmp_path, marker):
    with zipfile.ZipFile(SEALED) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    torch.save({"a": Payload(marker)}, tmp_path / "evil.pt")
    evil = (tmp_path / "evil.pt").read_bytes()
    name = "groups/0/weights.0"
    record = json.loads(members[f"{name}.json"]) | {"sha256": digest_file(tmp_path / "evil.pt")}
    members |= {f"{name}.safetensors": evil, f"{name}.json": json.dumps(record).encode()}
    write_container(tmp_path / "evil.preceptor", members)
    with pytest.raises(BundleError):
        Bundle.open(tmp_path / "evil.preceptor").council("cpu")
    assert not marker.exists()


@pytest.mark.answer("I12.2")
def test_arrays_of_objects_are_refused_and_not_run(tmp_path, marker):
    objects = np.array([Payload(marker)], dtype=object)
    np.savez(tmp_path / "images.npz", images=objects)
    np.save(tmp_path / "images.npy", objects)
    with pytest.raises(PrepareError):
        read_image(tmp_path, "images.npz::images::0")
    with pytest.raises(PrepareError):
        read_image(tmp_path, "images.npy::0")
    facts = np.array(json.dumps({"key": "a", "target": "b", "settings": {}}))
    np.savez(tmp_path / "000.npz", facts=facts, **{"image/a": objects})
    with pytest.raises(ValueError, match="allow_pickle"):
        Explanation.read(tmp_path / "000.npz")
    assert not marker.exists()


@pytest.mark.answer("I12.2")
def test_a_bundle_holds_text_and_tensors_alone():
    with zipfile.ZipFile(SEALED) as archive:
        for name in archive.namelist():
            start = archive.read(name)[:9]
            if name.endswith(".safetensors"):
                assert start[8:9] == b"{", name
            else:
                assert name.endswith((".json", ".md")), name
                archive.read(name).decode()


_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
_CALLS = {"eval", "exec", "torch.load", "torch.save", "torch.jit.load", "numpy.load.allow", "yaml.load", "os.system"}
_KEYWORDS = {("allow_pickle", True), ("weights_only", False), ("shell", True)}


def offences(source: str) -> list[str]:
    """What in a source could unpickle or run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name.split(".")[0] in _MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in _CALLS:
                found.append(ast.unparse(node.func))
            for each in node.keywords:
                if isinstance(each.value, ast.Constant) and (each.arg, each.value.value) in _KEYWORDS:
                    found.append(f"{each.arg}={each.value.value}")
    return found


@pytest.mark.answer("I12.2")
def test_no_source_unpickles_or_evaluates():
    assert len(SOURCES) > 100
    assert {path.name: offences(path.read_text()) for path in SOURCES if offences(path.read_text())} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(p)",
        "np.load(p, allow_pickle=True)",
        "eval(x)",
        "exec(x)",
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert offences(line)


# -------------------------------------------------------------------- I12.6: whole or not there


def in_child(work) -> int:
    """Do something in a process of its own, and return how it ended (a negative number is the signal)."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)  # threads do not survive a fork
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state_of(number: int) -> dict:
    return {"network": {"weight": torch.full((64, 256), float(number))}, "epoch": number}


def is_whole(state, number: int) -> bool:
    return state["epoch"] == number and bool((state["network"]["weight"] == number).all())


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
@pytest.mark.answer("I12.6")
def test_killed_at_each_step_of_writing_the_old_or_the_new_is_there(tmp_path):
    """Every flush and every rename is a moment to be killed at; all of them are tried."""
    for already in (1, 2, 3):
        for moment in range(7):
            folder = tmp_path / f"{already}-{moment}"
            folder.mkdir()
            for number in range(already):
                checkpoint.save(folder, state_of(number))

            def save(folder=folder, already=already, moment=moment):
                _die_at(moment)
                checkpoint.save(folder, state_of(already))

            assert in_child(save) == (0 if moment == 6 else -signal.SIGKILL)
            state = checkpoint.load(folder, lambda text: None)
            assert state is not None, (already, moment)
            assert is_whole(state, already - 1) or is_whole(state, already), (already, moment)


def _die_at(moment: int) -> None:
    """From now on this process dies before its n-th flush or rename."""
    count = iter(range(1000))
    fsync, replace = os.fsync, Path.replace

    def dying(call):
        def called(*given):
            if next(count) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given)

        return called

    os.fsync, Path.replace = dying(fsync), dying(replace)


@needs_fork
@pytest.mark.answer("I12.6")
def test_killed_at_twenty_random_moments_the_newest_whole_one_is_there(tmp_path):
    rng, last = random.Random(0), -1
    for _ in range(20):
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            for number in range(last + 1, 10**6):
                checkpoint.save(tmp_path, state_of(number))
        time.sleep(rng.uniform(0.02, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        state = checkpoint.load(tmp_path, lambda text: None)
        if state is None:  # killed before the very first was whole
            assert last == -1
            continue
        assert is_whole(state, state["epoch"])
        assert state["epoch"] >= last
        last = state["epoch"]
    assert last >= 5  # it did get on, so the kills fell into writing


@needs_fork
@pytest.mark.answer("I12.6")
def test_a_killed_write_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\0" * 2**22)

    def write():
        with write_aside(path) as aside, aside.open("wb") as stream:
            stream.write(b"\1" * 2**21)
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(write) == -signal.SIGKILL
    assert path.read_bytes() == b"\0" * 2**22


@pytest.mark.answer("I12.6")
def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_it_is_said(tmp_path, monkeypatch):
    """Killing shows nothing of this: it is the power cut that leaves an empty file of the right name."""
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(os.fstat(handle).st_ino), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("rename"), replace(self, to))[1])
    with write_aside(tmp_path / "a") as aside:
        aside.write_bytes(b"whole")
    assert done == [(tmp_path / "a").stat().st_ino, "rename", tmp_path.stat().st_ino]


@pytest.mark.answer("I12.6")
def test_a_flipped_bit_of_a_weight_is_noticed(tmp_path):
    """Neither safetensors nor torch notices: 1.0 loads as 0.25."""
    from safetensors.torch import load_file

    checkpoint.save(tmp_path, state_of(1))
    path = tmp_path / "last-a.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x01
    path.write_bytes(bytes(content))
    assert any(tensor.flatten()[-1] != 1 for tensor in load_file(path).values())
    with pytest.raises(BundleError, match="not those that were written"):
        read_tensors(path)


@pytest.mark.answer("I12.6")
@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path, suffix, harm):
    checkpoint.save(tmp_path, state_of(1))
    checkpoint.save(tmp_path, state_of(2))
    newest = max(tmp_path.glob("last-?.json"), key=lambda each: json.loads(each.read_text())["record"]["turn"])
    path = newest.with_suffix(suffix)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-7]), "empty": b""}[harm])
    told = []
    assert is_whole(checkpoint.load(tmp_path, told.append), 1) or (harm == "flip" and suffix == ".json" and not told)
    assert len(told) == 1 or suffix == ".json"


@needs_fork
@pytest.mark.answer("I12.6")
def test_a_full_disk_leaves_the_old_checkpoint_and_no_litter(tmp_path):
    checkpoint.save(tmp_path, state_of(1))
    before = sorted(each.name for each in tmp_path.iterdir())

    def save():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))  # what a full disk does to a write
        try:
            checkpoint.save(tmp_path, state_of(2))
        except TrainError as error:
            os._exit(0 if error.problem.code == "checkpoint_not_written" else 3)
        os._exit(4)

    assert in_child(save) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    assert is_whole(checkpoint.load(tmp_path, lambda text: None), 1)


@pytest.mark.answer("I12.6")
def test_any_flipped_byte_of_a_bundle_is_noticed(tmp_path):
    whole = SEALED.read_bytes()
    assert Container.open(SEALED).signer is None
    for position in [*range(0, len(whole), 61), *range(len(whole) - 400, len(whole))]:
        changed = bytearray(whole)
        changed[position] ^= 0x20
        (tmp_path / "b").write_bytes(bytes(changed))
        with pytest.raises(BundleError):
            Container.open(tmp_path / "b")
