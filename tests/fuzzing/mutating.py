"""Damages to a file: bytes anywhere, fields where headers have them, tokens in text, and what a checksum would hide."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from preceptor.deliver.container import MANIFEST, write_container

#: Numbers at which sizes, signs and types break.
_EDGES = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\w+|[^\w\s]|\n *')
_VALUES = (
    None,
    -1,
    0,
    1e308,
    "x",
    [],
    {},
    True,
    [[1, 2]],
    2**70,
    "\0",
    [None],
    1.5,
    "\ud800",
    -(2**63),
    1e-320,
    "",
    [-1],
)
_WORDS = (
    *(b"null", b"true", b"-1", b"0", b"1e308", b"1e999", b"-0.0", b"9" * 400, b"0x1", b"NaN", b".nan", b'""', b'"x"'),
    *(b"[]", b"{}", b"[[1, 2]]", b"[" * 60, b"{a: " * 40, b"&a", b"*a", b"!!python/object:os.system", b"~", b"\t"),
    *(b'"\\ud800"', b'"\\u0000"', b"\xff\xfe", b"\0", b"'", b'"', b": ", b"- ", b"<<: *a", b"\xe2\x80\xa8"),
)


def mutated(content: bytes, kind: str, dice: random.Random) -> bytes:
    """A damaged copy.

    Args:
        content: A whole file.
        kind: Its kind, which decides how else than byte by byte it is damaged: inside what is compressed, and with the
            checksums set right again, so that damage reaches what lies behind them.
        dice: Decides.
    """
    inside = _INSIDE.get(kind)
    if inside is not None and dice.random() < 0.8:
        return inside(content, dice)
    return _bytes(content, dice)


def _bytes(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        if changed:
            _one(changed, dice)
    return bytes(changed)


def _one(content: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(content))
    kind = dice.choice((0, 0, 1, 1, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8))
    early = dice.randrange(min(len(content), 600))
    if kind == 0:
        content[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        content[early] = dice.randrange(256)
    elif kind == 2:
        del content[dice.randrange(len(content)) :]
    elif kind in (3, 4):
        size, order = dice.choice((1, 2, 4, 8)), dice.choice(("little", "big"))
        start = early if kind == 3 else at
        number = dice.choice(_EDGES) & (1 << 8 * size) - 1
        content[start : start + size] = number.to_bytes(size, order)
    elif kind == 5:
        content[at:at] = dice.randbytes(dice.randint(1, 8))
    elif kind == 6:
        del content[at : at + dice.randint(1, 8)]
    elif kind == 7:
        content[early : early + 4] = struct.pack("<f", dice.choice((float("nan"), float("inf"), -1.0, 1e38, 1e-40)))
    else:
        length = dice.randint(1, 64)
        content[early : early + length] = content[at : at + length]


def _text(content: bytes, dice: random.Random) -> bytes:
    tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(content)]
    for _ in range(dice.randint(1, 3)):
        start, end = dice.choice(tokens)
        other = dice.choice(tokens)
        new = dice.choice(
            (b"", content[start:end] * 2, content[slice(*other)], dice.choice(_WORDS), dice.choice(_WORDS))
        )
        content = content[:start] + new + content[end:]
        tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(content)] or [(0, 0)]
    return content


def _json(content: bytes, dice: random.Random) -> bytes:
    """Some values of a JSON document become others: it stays JSON, and says what it should not."""
    if dice.random() < 0.2:
        return _text(content, dice)
    whole = json.loads(content)
    for _ in range(dice.randint(1, 3)):
        if not (places := list(_places(whole))):
            return dice.choice((b"[]", b"null", b'{"a": 1}'))
        inner, path = whole, dice.choice(places)
        for step in path[:-1]:
            inner = inner[step]
        other = dice.choice((*_VALUES, *(_at(whole, each) for each in dice.choices(places, k=9))))
        if isinstance(inner, dict) and dice.random() < 0.3:
            del inner[path[-1]]
        else:
            inner[path[-1]] = json.loads(json.dumps(other))
    return json.dumps(whole).encode()


def _places(content: object, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    within = content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    for name, value in within:
        yield from _places(value, (*path, name))


def _at(content, path: tuple) -> object:
    for step in path:
        content = content[step]
    return content


def _headed(content: bytes, dice: random.Random) -> bytes:
    """The JSON header of a safetensors file says something else, and its length is right."""
    (length,) = struct.unpack_from("<Q", content)
    header = _json(content[8 : 8 + length], dice)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _gzipped(content: bytes, dice: random.Random) -> bytes:
    return gzip.compress(_bytes(gzip.decompress(content), dice), 1)


def _png(content: bytes, dice: random.Random) -> bytes:
    """Damage inside a chunk, or inside the compressed rows, with every checksum right."""
    chunks, place = [], 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += length + 12
    number = dice.randrange(len(chunks))
    name, inner = chunks[number]
    if name == b"IDAT" and dice.random() < 0.5:
        inner = zlib.compress(
            _bytes(zlib.decompress(b"".join(each for label, each in chunks if label == b"IDAT")), dice)
        )
        chunks = [each for each in chunks if each[0] != b"IDAT" or each is chunks[number]]
        number = next(place for place, each in enumerate(chunks) if each[0] == b"IDAT")
    elif inner:
        inner = _bytes(inner, dice)
    chunks[number] = name, inner
    if dice.random() < 0.2:
        chunks.insert(dice.randrange(len(chunks)), dice.choice(chunks))
    return content[:8] + b"".join(
        struct.pack(">I", len(each)) + label + each + struct.pack(">I", zlib.crc32(label + each))
        for label, each in chunks
    )


def _zipped(content: bytes, dice: random.Random) -> bytes:
    """Damage inside a member, with its checksum right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        chosen = dice.choice(names)
        for name in names:
            inner = old.read(name)
            how = dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            new.writestr(name, _bytes(inner, dice) if name == chosen else inner, how)
    return stream.getvalue()


def _sealed(content: bytes, dice: random.Random) -> bytes:
    """A bundle that says something else, sealed again by whoever changed it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
    for name in dice.sample([name for name in members if members[name]], dice.choice((1, 1, 2))):
        how = {".json": _json, ".safetensors": _headed}.get(Path(name).suffix, _text)
        members[name] = (how if dice.random() < 0.9 else _bytes)(members[name], dice)
        beside = Path(name).with_suffix(".json").as_posix()
        if name.endswith(".safetensors") and beside in members:
            stated = re.compile(rb'("sha256": ")[0-9a-f]{64}')
            digest = hashlib.sha256(members[name]).hexdigest().encode()
            members[beside] = stated.sub(rb"\g<1>" + digest, members[beside])
    with tempfile.TemporaryDirectory() as folder:
        write_container(Path(folder) / "a", members)
        return (Path(folder) / "a").read_bytes()


_INSIDE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "nifti_gz": _gzipped,
    "png": _png,
    "npz": _zipped,
    "clip": _zipped,
    "zip": _zipped,
    "bundle": _sealed,
    "asap": _text,
    **dict.fromkeys(("mdai", "coco", "geojson"), _json),
    **dict.fromkeys(("tensors", "prepared"), _headed),
    **dict.fromkeys(("recipe", "table", "annotation_table", "cohort", "predictions", "reader_answers"), _text),
}
