"""What a file says about its own de-identification.

Source: DICOM PS3.15 E.1, PS3.16 CID 7050.
"""

from __future__ import annotations

from .elements import Coding, encode, encode_items
from .profile import CODES, Settings
from .table import EDITION

IDENTITY_REMOVED = 0x00120062
METHOD, METHOD_CODES = 0x00120063, 0x00120064
BURNED_IN, TEMPORAL = 0x00280301, 0x00280303


def marks(settings: Settings, coding: Coding, *, pixels_cleaned: bool) -> dict[int, bytes]:
    """The elements that say what was done.

    Args:
        settings: The profile.
        coding: How to write them.
        pixels_cleaned: Whether burned-in text was searched for and covered; only then is it denied.

    Returns:
        Encoded elements by tag.
    """
    done = [] if settings.profile == "safe-list" else ["basic"]
    done += [each for each in settings.retain if each not in ("pixel-data", "visual-features")]
    if pixels_cleaned:
        done.append("pixel-data")
    items = []
    for name in sorted(done, key=lambda each: CODES[each][0]):
        code, meaning = CODES[name]
        items.append(
            [
                encode(0x00080100, "SH", code.encode(), coding),
                encode(0x00080102, "SH", b"DCM", coding),
                encode(0x00080104, "LO", meaning.encode(), coding),
            ]
        )
    kept = (
        "UNMODIFIED"
        if "full-dates" in settings.retain
        else "MODIFIED"
        if "modified-dates" in settings.retain
        else "REMOVED"
    )
    method = b"\\".join((b"preceptor", EDITION.encode(), f"profile {settings.profile}".encode()))
    found = {
        IDENTITY_REMOVED: encode(IDENTITY_REMOVED, "CS", b"YES", coding),
        METHOD: encode(METHOD, "LO", method, coding),
        TEMPORAL: encode(TEMPORAL, "CS", kept.encode(), coding),
    }
    if items:
        found[METHOD_CODES] = encode_items(METHOD_CODES, "SQ", items, coding, coding)
    if pixels_cleaned:
        found[BURNED_IN] = encode(BURNED_IN, "CS", b"NO", coding)
    return found
