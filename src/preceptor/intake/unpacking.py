"""An archive unpacked where it can do no harm: nothing outside the folder, no links, no more bytes than are plausible."""

from __future__ import annotations

import errno
import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preceptor.core.errors import CohortError, safe_name

from .limits import PLAUSIBLE_RATIO, SMALL_BYTES

_MOST_ENTRIES = 500_000
_MOST_BYTES = 2**37
_CHUNK = 1 << 20

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


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Write the files of a zip archive into a folder.

    Names are not trusted: each file is called by its number, with its folders told apart and nothing else kept, so
    no name leads out of the folder, hides another, or is too long for the file system.

    Args:
        archive: The archive.
        folder: That exists.

    Returns:
        The files written, in the archive's order.

    Raises:
        CohortError: As in `unpacked`.
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
            folders = {str(Path(entry.filename).parent): 0 for entry in entries}
            folders = {name: number for number, name in enumerate(folders)}
            for number, entry in enumerate(entries):
                mode = entry.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise _refused(archive, f"holds a link or a device (entry {number + 1})", "archive_link")
                if entry.flag_bits & 1:
                    raise _refused(archive, "is encrypted", "archive_encrypted")
                path = folder / f"{folders[str(Path(entry.filename).parent)]:05}" / f"{number:06}"
                path.parent.mkdir(exist_ok=True)
                with content.open(entry) as packed, path.open("wb") as file:
                    while piece := packed.read(_CHUNK):  # zipfile stops at the size the entry claims
                        file.write(piece)
                written.append(path)
    except (*_DAMAGED, NotImplementedError, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # a place before the file's start
            raise
        raise _refused(archive, f"is damaged ({type(error).__name__})", "archive_damaged") from None
    return written


def _refused(archive: Path, what: str, code: str) -> CohortError:
    return CohortError(
        f"the archive {what}",
        where=safe_name(archive),
        expected="a plain zip archive of files",
        remedy="unpack it with a tool you trust, and name the folder",
        code=code,
    )
