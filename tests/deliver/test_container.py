"""The sealed file: no byte of it may differ, and nothing in a stranger's file is believed before it is verified."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import struct
import zipfile
from io import BytesIO

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preceptor.core.errors import BundleError, RecipeError
from preceptor.core.files import read_tensors, write_tensors
from preceptor.deliver.container import Container, write_container

MEMBERS = {"card.md": b"# a model\n", "groups/0/group.json": b"{}", "groups/0/weights.0.safetensors": bytes(range(256))}


def write_key(path, private=None):
    private = private or ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture(scope="module", params=["plain", "signed"])
def sealed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    key = write_key(folder / "key.pem") if request.param == "signed" else None
    write_container(folder / "a.preceptor", MEMBERS, key)
    return folder / "a.preceptor"


def reseal(content: bytes, comment: bytes = b"") -> bytes:
    """A stranger's file with a seal that is right."""
    end = content.rindex(b"PK\x05\x06")
    statement = b"preceptor bundle 1\nsha256 " + b"0" * 64 + b"\n"
    content = content[: end + 20] + struct.pack("<H", len(statement))
    return content + statement.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode())


def strangers(members, compression=zipfile.ZIP_STORED, manifest=None):
    """A zip of any members, with a manifest that is right unless another is given."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        right = {name: {"sha256": hashlib.sha256(each).hexdigest(), "bytes": len(each)} for name, each in members}
        archive.writestr("manifest.json", json.dumps({"format": 1, "members": right}) if manifest is None else manifest)
        for name, each in members:
            archive.writestr(name, each)
    return reseal(stream.getvalue())


def open_bytes(tmp_path, content):
    path = tmp_path / "b.preceptor"
    path.write_bytes(content)
    return Container.open(path)


def test_members_come_back(sealed):
    container = Container.open(sealed)
    assert {name: container.read(name) for name in container.sizes} == MEMBERS
    assert (container.signer is not None) == (b"ed25519" in sealed.read_bytes())


def test_any_zip_tool_opens_it(sealed):
    with zipfile.ZipFile(sealed) as archive:
        assert archive.testzip() is None
        assert archive.read("card.md") == MEMBERS["card.md"]
        assert archive.comment.startswith(b"preceptor bundle 1\n")


def test_the_same_members_make_the_same_bytes(tmp_path):
    write_container(tmp_path / "a", MEMBERS)
    write_container(tmp_path / "b", dict(reversed(MEMBERS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_single_byte_counts(sealed, tmp_path):
    """All of them: content, zip headers, directory, seal and signature."""
    whole = sealed.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x20  # the bit that turns a letter of the seal into its capital
        with pytest.raises(BundleError):
            open_bytes(tmp_path, bytes(changed))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_byte_anywhere_is_refused(sealed, tmp_path, data):
    whole = bytearray(sealed.read_bytes())
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    with pytest.raises(BundleError):
        open_bytes(tmp_path, bytes(whole))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000), tail=st.binary(max_size=40))
def test_nothing_may_be_missing_or_added(sealed, tmp_path, cut, tail):
    whole = sealed.read_bytes()
    changed = whole[:cut] + tail
    if changed == whole:
        return
    with pytest.raises(BundleError):
        open_bytes(tmp_path, changed)


# -------------------------------------------------------------------- strangers' files, rightly sealed


def test_the_stranger_of_these_tests_can_make_a_file_that_opens(tmp_path):
    assert open_bytes(tmp_path, strangers([("card.md", b"x")])).read("card.md") == b"x"


@pytest.mark.parametrize(
    "name", ["../x", "/x", "C:\\x", "a/../../x", "a//b", "CON\0", "a/", "é", "a" * 300, "A.json", "./a", "-rf"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(BundleError):
        open_bytes(tmp_path, strangers([(name, b"x")]))


def test_compressed_members_are_refused_before_they_are_unpacked(tmp_path):
    bomb = strangers([("card.md", bytes(200 * 2**20))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    with pytest.raises(BundleError, match="compressed"):
        open_bytes(tmp_path, bomb)


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning), pytest.raises(BundleError):
        open_bytes(tmp_path, strangers([("a", b"x"), ("a", b"y")]))


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "members": []}',
        '{"format": 1, "members": {"a": {"sha256": 1, "bytes": "x"}}}',
        '{"format": 1, "members": {}}',
        '{"format": 2, "members": {"a": {"sha256": "0", "bytes": 1}}}',
        "[" * 100_000,
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, manifest):
    with pytest.raises(BundleError):
        open_bytes(tmp_path, strangers([("a", b"x")], manifest=manifest))


def test_a_member_that_is_not_what_the_manifest_says_is_refused(tmp_path):
    wrong = json.dumps({"format": 1, "members": {"a": {"sha256": "0" * 64, "bytes": 1}}})
    container = open_bytes(tmp_path, strangers([("a", b"x")], manifest=wrong))
    with pytest.raises(BundleError):
        container.read("a")
    with pytest.raises(BundleError):
        container.extract(tmp_path / "out")


def test_a_file_that_changes_after_it_was_opened_is_refused(sealed, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(sealed.read_bytes())
    container = Container.open(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"# a model")] = ord("!")
    path.write_bytes(bytes(content))
    with pytest.raises(BundleError):
        container.read("card.md")


# -------------------------------------------------------------------- signatures


def test_a_signature_by_another_key_is_refused(tmp_path):
    write_container(tmp_path / "a", MEMBERS, write_key(tmp_path / "one.pem"))
    write_container(tmp_path / "b", MEMBERS, write_key(tmp_path / "two.pem"))
    ours, theirs = ((tmp_path / name).read_bytes() for name in "ab")
    assert ours != theirs
    swapped = ours[:-130] + theirs[-130:]  # the other's signature under our key's name
    with pytest.raises(BundleError, match="signature"):
        open_bytes(tmp_path, swapped)


def test_a_key_of_another_kind_is_refused(tmp_path):
    key = write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(RecipeError) as caught:
        write_container(tmp_path / "a", MEMBERS, key)
    assert caught.value.problem.code == "key_unreadable"
    assert not (tmp_path / "a").exists()


# -------------------------------------------------------------------- what is taken for a bundle


def test_a_newer_format_says_so(sealed, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(sealed.read_bytes().replace(b"preceptor bundle 1\n", b"preceptor bundle 2\n"))
    with pytest.raises(BundleError) as caught:
        Container.open(path)
    assert caught.value.problem.code == "bundle_newer"
    assert "newer release" in caught.value.problem.remedy


def test_a_checkpoint_is_told_from_a_bundle(tmp_path):
    import torch

    write_tensors(tmp_path / "best.safetensors", {"a": torch.zeros(2)}, {})
    with pytest.raises(BundleError) as caught:
        Container.open(tmp_path / "best.safetensors")
    assert caught.value.problem.code == "checkpoint_as_bundle"
    assert "preceptor seal" in caught.value.problem.remedy


def test_a_run_is_told_from_a_bundle(tmp_path):
    (tmp_path / "resolved.yaml").write_text("study: x")
    with pytest.raises(BundleError) as caught:
        Container.open(tmp_path)
    assert caught.value.problem.code == "run_as_bundle"
    assert "preceptor seal" in caught.value.problem.remedy


def test_a_bundle_is_told_from_a_checkpoint(sealed):
    with pytest.raises(BundleError) as caught:
        read_tensors(sealed)
    assert caught.value.problem.code == "bundle_as_checkpoint"
    assert "preceptor predict" in caught.value.problem.remedy


def test_a_picture_is_no_bundle(tmp_path):
    (tmp_path / "Jane_Doe.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(BundleError) as caught:
        Container.open(tmp_path / "Jane_Doe.png")
    assert caught.value.problem.code == "not_a_bundle"
    assert "Jane" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_leaves_the_old_bundle(tmp_path):
    path = tmp_path / "a.preceptor"
    write_container(path, MEMBERS)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
        try:
            write_container(path, {"weights": bytes(2**20)})
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.preceptor"]
