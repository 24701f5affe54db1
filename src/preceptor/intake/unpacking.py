"""An archive unpacked where it can do no harm: nothing outside the folder, no links, no more bytes than are plausible."""

from __future__ import annotations

import errno
import lzma
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from preceptor.core.errors import CohortError, safe_name

from .limits import PLAUSIBLE_RATIO, SMALL_BYTES

_MOST_ENTRIES = 500_000
_MOST_BYTES = 2**37
_CHUNK = 1 << 20
_MOST_FOLDERS = 32
_LONGEST_NAME = 200

#: What says what a file is; of names such as 1.2.840.1 the last part does not.
_SUFFIXES = (
    *(
        ".nii.gz",
        ".nii",
        ".json",
        ".dcm",
        ".png",
        ".jpg",
        ".jpeg",
        ".tiff",
        ".tif",
        ".bmp",
        ".npy",
        ".npz",
        ".csv",
        ".tsv",
        ".bval",
        ".bvec",
    ),
    *(".parquet", ".xml", ".geojson", ".mp4", ".avi", ".mov", ".gif", ".svs", ".pdf"),
)

#: What the decoders of a damaged archive raise: those of deflate and LZMA are no kin of zipfile's own.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """A folder, or a zip archive as one, which goes again afterwards.

    Args:
        source: A folder, a file that is no archive, or a zip archive.

    Yields:
        The source, or the folder that holds the archive's files.

    Raises:
        CohortError: The archive is damaged, encrypted, holds links, or unpacks to more than its bytes can plausibly hold.
    """
    if not source.is_file() or not zipfile.is_zipfile(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="preceptor-") as folder:
        unpack(source, Path(folder))
        yield Path(folder)


def is_archive(source: Path) -> bool:
    """Whether a file is a zip archive, and not one of the formats that are zip archives inside."""
    return source.suffix.lower() in ("", ".zip") and source.is_file() and zipfile.is_zipfile(source)


def unpack_for_good(archive: Path, folder: Path | None) -> Path:
    """Unpack an archive, names kept, into a folder that stays.

    Args:
        archive: The archive.
        folder: New or empty.

    Returns:
        The folder, or the one in it that holds everything.

    Raises:
        CohortError: As in `unpack` (nothing stays then), or the folder is not named or not empty.
    """
    if folder is None or (folder.exists() and any(folder.iterdir())):
        raise CohortError(
            "an archive's files need a folder that stays"
            if folder is None
            else "the folder for the files is not empty",
            where=safe_name(archive),
            expected="a new folder to unpack them to",
            remedy="name one with --unpack-to",
            code="unpack_to",
        )
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.absolute().parent) as aside:
        unpack(archive, Path(aside), keep_names=True)
        folder.mkdir(exist_ok=True)
        for each in Path(aside).iterdir():
            each.rename(folder / each.name)
    inside = [each for each in folder.iterdir() if each.name != "__MACOSX"]
    while len(inside) == 1 and inside[0].is_dir():
        folder, inside = inside[0], [*inside[0].iterdir()]
    return folder


def unpack(archive: Path, folder: Path, *, keep_names: bool = False) -> list[Path]:
    """Write the files of a zip archive into a folder.

    Names are not trusted: each file is called by a number, with its folders told apart and nothing else kept but the
    suffix, where it says what a file is; so no name leads out of the folder, hides another, or is too long for the
    file system. Files of one folder that share a stem still do: a sidecar finds its image.

    Args:
        archive: The archive.
        folder: That exists.
        keep_names: For layouts that live by their names, such as BIDS: names are kept, and an archive with one that is
            not plain is refused.

    Returns:
        The files written, in the archive's order.

    Raises:
        CohortError: As in `unpacked`; with `keep_names` also where a name leads out of the folder, is another's but for
            its letters' case, or is none.
    """
    written: list[Path] = []
    left = min(_MOST_BYTES, max(SMALL_BYTES, archive.stat().st_size * PLAUSIBLE_RATIO))
    try:
        with zipfile.ZipFile(archive) as content:
            entries = [entry for entry in content.infolist() if not entry.filename.endswith("/")]
            if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > left:
                raise _refused(archive, "claims to hold more than its bytes can", "archive_bomb")
            if not entries:
                raise _refused(archive, "holds no file", "archive_empty")
            names = [entry.filename for entry in entries]
            places = _plain_places(archive, names) if keep_names else _numbered_places(names)
            for number, (entry, place) in enumerate(zip(entries, places, strict=True)):
                mode = entry.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise _refused(archive, f"holds a link or a device (entry {number + 1})", "archive_link")
                if entry.flag_bits & 1:
                    raise _refused(archive, "is encrypted", "archive_encrypted")
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with content.open(entry) as packed, path.open("wb") as file:
                    while piece := packed.read(_CHUNK):  # zipfile stops at the size the entry claims
                        file.write(piece)
                written.append(path)
    except (*_DAMAGED, NotImplementedError, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # a place before the file's start
            raise
        raise _refused(archive, f"is damaged ({type(error).__name__})", "archive_damaged") from None
    return written


def _numbered_places(names: Sequence[str]) -> list[str]:
    """Where each file goes: a number for its folder, one for its stem, and a suffix that says what it is."""
    folders: dict[str, int] = {}
    stems: dict[tuple[str, str], int] = {}
    places: dict[str, None] = {}
    for number, name in enumerate(names):
        parent, _, file = name.rpartition("/")
        folder = folders.setdefault(parent, len(folders))
        suffix = next((each for each in _SUFFIXES if file.lower().endswith(each)), "")
        stem = stems.setdefault((parent, file[: -len(suffix)]), number) if suffix else number
        place = f"{folder:05}/{stem:06}{suffix}"
        places[f"{folder:05}/{number:06}{suffix}" if place in places else place] = None
    return list(places)


def _plain_places(archive: Path, names: Sequence[str]) -> list[str]:
    """The names themselves, where each is plain and no two are one on a file system that takes a for A."""
    taken: set[str] = set()
    folders: set[str] = set()
    for number, name in enumerate(names, start=1):
        parts = name.split("/")
        if not all(_is_plain(part) for part in parts) or len(parts) > _MOST_FOLDERS:
            raise _refused(archive, f"holds a name that leads elsewhere or is none (entry {number})", "archive_name")
        folded = [unicodedata.normalize("NFC", part).casefold() for part in parts]
        above = {"/".join(folded[:end]) for end in range(1, len(folded))}
        if "/".join(folded) in taken | folders or above & taken:
            raise _refused(archive, f"holds one name twice (entry {number})", "archive_twice")
        taken.add("/".join(folded))
        folders |= above
    return list(names)


def _is_plain(part: str) -> bool:
    kept = all(each.isprintable() and each not in '\\:*?"<>|' for each in part)
    return kept and part.strip(". ") != "" and len(part.encode()) <= _LONGEST_NAME and part == part.rstrip(". ")


def _refused(archive: Path, what: str, code: str) -> CohortError:
    return CohortError(
        f"the archive {what}",
        where=safe_name(archive),
        expected="a plain zip archive of files",
        remedy="unpack it with a tool you trust, and name the folder",
        code=code,
    )
