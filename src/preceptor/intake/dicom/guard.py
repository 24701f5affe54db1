"""The border to pydicom: its errors, warnings and log carry names and values of the file, so they end here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preceptor.core.errors import PrepareError, safe_name


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes pydicom and its decoders raise into one error that shows no value of it."""
    log = logging.getLogger("pydicom")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PrepareError, MemoryError):
        raise
    except RecursionError:
        raise PrepareError(
            "the file nests sequences deeper than can be read",
            where=safe_name(path),
            expected="at most 32 levels",
            remedy="no scanner writes this: leave the file out",
            code="too_deep",
        ) from None
    except Exception as error:  # eleven kinds were seen from 5000 damaged files, StopIteration and RecursionError too
        raise PrepareError(
            f"the DICOM file is damaged or of a kind no decoder here reads ({type(error).__name__})",
            where=safe_name(path),
            expected="a whole DICOM image",
            remedy="export it again, uncompressed if it was compressed; 12-bit JPEG needs `preceptor[jpeg-gpl]`",
            code="dicom_damaged",
        ) from None
    finally:
        log.setLevel(level)
