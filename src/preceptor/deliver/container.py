"""One file of many members, every byte of it verified: an uncompressed zip whose comment seals all bytes before it.

Any tool opens it (``unzip -p model.preceptor card.md``). The comment is two or three lines:

    preceptor bundle 1
    sha256 <hash of every byte before the comment>
    ed25519 <public key> <signature of the two lines above>      (where a key was given)

A zip alone would not do: its own check sums miss the directory and the padding, and nobody looks at them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from preceptor.core.errors import BundleError, RecipeError, safe_name
from preceptor.core.files import digest_file, write_aside

#: Raised when a release can no longer be read by older ones. Older formats stay readable.
FORMAT = 1

MANIFEST = "manifest.json"

_TRAILER = re.compile(
    rb"(preceptor bundle (\d{1,6})\nsha256 ([0-9a-f]{64})\n)(?:ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})\n)?\Z"
)
_LONGEST_TRAILER = 512
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,99}(/[a-z0-9_][a-z0-9_.-]{0,99}){0,7}")
_MOST_MEMBERS = 10_000
_MOST_TEXT_BYTES = 64 * 2**20
#: What Python's zip reader raises at a file that is none.
_UNREADABLE = (OSError, zipfile.BadZipFile, NotImplementedError, KeyError, UnicodeDecodeError, RecursionError)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment: two seals of one run are the same bytes


def write_container(path: Path, members: Mapping[str, bytes | Path], key: Path | None = None) -> None:
    """Write the members and seal them. The file is written aside and renamed, so it is whole or not there.

    Args:
        path: The file.
        members: ``{name: content, or the file that holds it}``.
        key: An Ed25519 private key (PEM, without a password) to sign with.

    Raises:
        RecipeError: The key can't be read.
        OSError: The disk is full or not writable.
    """
    private = None if key is None else _read_key(key)
    manifest = {
        "format": FORMAT,
        "members": {
            name: {
                "sha256": digest_file(each) if isinstance(each, Path) else hashlib.sha256(each).hexdigest(),
                "bytes": each.stat().st_size if isinstance(each, Path) else len(each),
            }
            for name, each in sorted(members.items())
        },
    }
    blank = _trailer("0" * 64, private)
    with write_aside(path) as aside:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
            _write_member(archive, MANIFEST, json.dumps(manifest, indent=1).encode())
            for name, each in sorted(members.items()):
                _write_member(archive, name, each)
            archive.comment = blank
        length = aside.stat().st_size - len(blank)
        with aside.open("r+b") as stream:
            trailer = _trailer(_digest(stream, length), private)
            stream.seek(length)
            stream.write(trailer)


@dataclass(frozen=True)
class Container:
    """A sealed file whose every byte was verified.

    Args:
        path: The file.
        sizes: ``{member: bytes}``.
        hashes: ``{member: sha256}``.
        digest: Hash of the whole file: two equal digests are the same model.
        signer: The public key (hexadecimal) that signed it, or None.
    """

    path: Path
    sizes: Mapping[str, int]
    hashes: Mapping[str, str]
    digest: str
    signer: str | None = None

    @classmethod
    def open(cls, path: Path) -> Container:
        """Verify every byte and read the manifest.

        Raises:
            BundleError: It is no sealed file, of a newer format, or not what was sealed.
        """
        path = Path(path)
        refuse_what_is_no_bundle(path)
        try:
            with path.open("rb") as stream:
                digest, signer = _verify(stream, path)
                with zipfile.ZipFile(stream) as archive:
                    entries = _entries(archive, path)
                    manifest = _manifest(archive.read(MANIFEST), path)
        except _UNREADABLE as error:
            raise damaged(path, "its structure can't be read") from error
        sizes = {name: int(each["bytes"]) for name, each in manifest.items()}
        if sizes != {name: size for name, size in entries.items() if name != MANIFEST}:
            raise damaged(path, "its members are not those of its manifest")
        return cls(path, sizes, {name: str(each["sha256"]) for name, each in manifest.items()}, digest, signer)

    def read(self, name: str) -> bytes:
        """A member's bytes (texts and JSON; tensors are extracted).

        Raises:
            BundleError: The member is absent, larger than any text, or changed since the file was opened.
        """
        if self.sizes.get(name, 0) > _MOST_TEXT_BYTES:
            raise damaged(self.path, f"{name} is larger than any text may be")
        with self._member(name) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != self.hashes[name]:
            raise damaged(self.path, f"{name} was changed after it was opened")
        return content

    def read_json(self, name: str) -> Any:
        """A member as JSON.

        Raises:
            BundleError: It is no JSON.
        """
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, f"{name} is no JSON") from error

    def extract(self, folder: Path, prefix: str = "") -> None:
        """Write the members whose name starts with `prefix` below a folder, each verified once more."""
        for name in self.sizes:
            if not name.startswith(prefix):
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._member(name) as stream, target.open("wb") as written:
                shutil.copyfileobj(stream, written, 2**20)
            if digest_file(target) != self.hashes[name]:
                raise damaged(self.path, f"{name} was changed after it was opened")

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        if name not in self.sizes:
            raise damaged(self.path, f"it has no {name}")
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(name).file_size != self.sizes[name]:
                    raise damaged(self.path, f"{name} was changed after it was opened")
                with archive.open(name) as stream:
                    yield stream
        except _UNREADABLE as error:
            raise damaged(self.path, f"{name} can't be read") from error


def refuse_what_is_no_bundle(path: Path) -> None:
    """Name the command that was meant where a run's folder or a training's checkpoint is taken for a bundle.

    Raises:
        BundleError: It is a folder, absent, or a file of tensors.
    """
    if path.is_dir():
        is_run = (path / "resolved.yaml").exists()
        raise BundleError(
            "this is the folder of a run, not a bundle" if is_run else "this is a folder, not a bundle",
            where=path.name if is_run else "",
            expected="a file that `preceptor seal` wrote",
            remedy="`preceptor seal RUN -o FILE` makes a bundle of a run",
            code="run_as_bundle" if is_run else "folder_as_bundle",
        )
    if not path.is_file():
        raise BundleError(
            "the bundle is not there",
            where=safe_name(path),
            expected="a file that `preceptor seal` wrote",
            code="bundle_absent",
        )
    with path.open("rb") as stream:
        start = stream.read(9)
    if len(start) == 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**40:
        raise BundleError(
            "this is a checkpoint: the weights of a training, without what it takes to predict",
            where=safe_name(path),
            expected="a bundle, that `preceptor seal` wrote",
            remedy="`preceptor seal RUN -o FILE` makes a bundle of the run that the checkpoint belongs to",
            code="checkpoint_as_bundle",
        )


def damaged(path: Path, why: str) -> BundleError:
    """The error of a bundle that is not what was sealed."""
    return BundleError(
        f"the bundle is damaged: {why}",
        where=safe_name(path),
        expected="the very bytes that were sealed",
        remedy="copy it again from where it came; if that does not help, seal the run again",
        code="bundle_damaged",
    )


# -------------------------------------------------------------------- the seal


def _verify(stream: IO[bytes], path: Path) -> tuple[str, str | None]:
    """The hash of all that stands before the comment must be the one that the comment states."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _LONGEST_TRAILER))
    match = _TRAILER.search(stream.read())
    if match is None:
        stream.seek(0)
        if stream.read(4) == b"PK\x03\x04":
            raise damaged(path, "its seal is missing or cut off")
        raise BundleError(
            "the file is no bundle",
            where=safe_name(path),
            expected="a file that `preceptor seal` wrote",
            code="not_a_bundle",
        )
    statement, version, stated, signer, signature = match.groups()
    digest = _digest(stream, size - len(match.group(0)))
    if digest != stated.decode():
        raise damaged(path, "its bytes are not those that were sealed")
    if int(version) != FORMAT or version != str(FORMAT).encode():
        raise BundleError(
            f"the bundle has format {int(version)}, and this release reads {FORMAT}",
            where=safe_name(path),
            expected=f"format {FORMAT}",
            remedy="take a newer release of preceptor",
            code="bundle_newer",
        )
    if signer is not None:
        _verify_signature(signer, signature, statement, path)
    return digest, None if signer is None else signer.decode()


def _verify_signature(signer: bytes, signature: bytes, statement: bytes, path: Path) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.decode()))
        public.verify(bytes.fromhex(signature.decode()), statement)
    except (InvalidSignature, ValueError) as error:
        raise damaged(path, "its signature is not that of the key it names") from error


def _trailer(digest: str, private: Any) -> bytes:
    statement = f"preceptor bundle {FORMAT}\nsha256 {digest}\n".encode()
    if private is None:
        return statement
    public = private.public_key().public_bytes_raw().hex()
    return statement + f"ed25519 {public} {private.sign(statement).hex()}\n".encode()


def _read_key(path: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(Path(path).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _bad_key() from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _bad_key()
    return private


def _bad_key() -> RecipeError:
    return RecipeError(
        "the key to sign with can't be read",
        where="--key",
        expected="an Ed25519 private key in PEM form, without a password",
        remedy="`openssl genpkey -algorithm ed25519 -out key.pem` makes one",
        code="key_unreadable",
    )


def public_key(path: Path) -> str:
    """The public half of a key in hexadecimal: of a public or a private key in PEM form.

    Raises:
        RecipeError: The key can't be read.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = Path(path).read_bytes()
    if b"PRIVATE" in content:
        return _read_key(path).public_key().public_bytes_raw().hex()
    try:
        public = load_pem_public_key(content)
    except ValueError as error:
        raise _bad_key() from error
    if not isinstance(public, Ed25519PublicKey):
        raise _bad_key()
    return public.public_bytes_raw().hex()


def _digest(stream: IO[bytes], length: int) -> str:
    """SHA-256 of the first bytes of a file."""
    running = hashlib.sha256()
    stream.seek(0)
    while length:
        block = stream.read(min(length, 2**20))
        if not block:
            break
        running.update(block)
        length -= len(block)
    return running.hexdigest()


# -------------------------------------------------------------------- the zip inside


def _write_member(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = 3, 0o644 << 16
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    info.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, 2**20)


def _entries(archive: zipfile.ZipFile, path: Path) -> dict[str, int]:
    """``{member: bytes}``; what could be more than it seems is refused before a byte of it is read."""
    infos = archive.infolist()
    total = path.stat().st_size
    names = [info.filename for info in infos]
    if len(infos) > _MOST_MEMBERS or len(set(names)) != len(names):
        raise damaged(path, "it has too many members, or two of one name")
    if any(_NAME.fullmatch(name) is None for name in names):
        raise damaged(path, "a member's name leads elsewhere")
    stored = all(info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size for info in infos)
    if not stored or any(info.flag_bits & 0x1 for info in infos) or sum(info.file_size for info in infos) > total:
        raise damaged(path, "its members are compressed, encrypted or larger than the file")
    sizes = {info.filename: info.file_size for info in infos}
    if sizes.get(MANIFEST, 0) > _MOST_TEXT_BYTES:
        raise damaged(path, "its manifest is larger than any text may be")
    return sizes


def _manifest(content: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
        members = manifest["members"]
        whole = all(isinstance(each["bytes"], int) and isinstance(each["sha256"], str) for each in members.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, "its manifest can't be read") from error
    if not whole or manifest.get("format") != FORMAT:
        raise damaged(path, "its manifest can't be read")
    return members
