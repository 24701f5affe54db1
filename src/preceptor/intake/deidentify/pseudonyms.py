"""Pseudonyms, UIDs and date shifts that follow from a secret key: the same in every file, process and batch.

Without the key none of them can be undone or guessed; with it, and the originals at hand, `relinking` says who is who.
"""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache
from pathlib import Path

from preceptor.core.errors import RecipeError

_SHORTEST_KEY_BYTES = 16

#: UIDs below this root are the standard's own words: transfer syntaxes, kinds of object, code lists.
STANDARD_ROOT = "1.2.840.10008."


class Key:
    """A secret from which everything that stands for a patient is derived by HMAC-SHA256.

    Args:
        secret: 16 bytes or more, best drawn at random.

    Raises:
        RecipeError: The secret is too short.

    Source: RFC 2104 (HMAC); DICOM PS3.5 B.2 and RFC 9562 (UIDs from UUIDs, version 8).

    Example:
        >>> Key(b"known-answer-key").uid("1.2.3")
        '2.25.107259856821501322833567459190882630203'
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _SHORTEST_KEY_BYTES:
            raise RecipeError(
                "the key is too short to keep anything secret",
                expected=f"{_SHORTEST_KEY_BYTES} bytes or more",
                remedy="head -c 32 /dev/urandom | base64 > key.txt, and keep the file where the originals are",
                code="key_short",
            )
        self._secret = secret
        self._made = lru_cache(maxsize=65536)(self._make_uid)

    @classmethod
    def read(cls, path: str | Path) -> Key:
        """The key in a file, without white space around it.

        Raises:
            RecipeError: The file is not there or too short.
        """
        path = Path(path)
        if not path.is_file():
            raise RecipeError(
                "the key file is not there",
                where="--key",
                expected="a file with 16 bytes or more that nobody else can read",
                remedy="head -c 32 /dev/urandom | base64 > key.txt, and keep the file where the originals are",
                code="key_absent",
            )
        return cls(path.read_bytes().strip())

    def __reduce__(self):
        return Key, (self._secret,)

    def __repr__(self) -> str:
        return "Key(…)"

    def _digest(self, purpose: str, value: str) -> bytes:
        return hmac.digest(self._secret, f"{purpose}|{value}".encode("utf-8", "surrogateescape"), "sha256")

    def uid(self, original: str) -> str:
        """The UID that stands for another, at most 44 characters; those of the standard stay."""
        return original if original.startswith(STANDARD_ROOT) else self._made(original)

    def _make_uid(self, original: str) -> str:
        number = int.from_bytes(self._digest("uid", original)[:16], "big")
        number = number & ~(0xF << 76) | 0x8 << 76  # version 8: made by a rule of one's own
        number = number & ~(0x3 << 62) | 0x2 << 62  # the variant of RFC 9562
        return f"2.25.{number}"

    def days(self, patient: str) -> int:
        """By how many days a patient's dates are moved: 1 to 1825 back."""
        return -(1 + int.from_bytes(self._digest("date", patient)[:8], "big") % 1825)

    def pseudonym(self, patient: str) -> str:
        """What stands for a patient: ``P`` and 13 letters and digits.

        These are 64 bits: two of a million patients share one with a chance of 3 in 10⁸.
        """
        return "P" + base64.b32encode(self._digest("patient", patient)[:8]).decode().rstrip("=")

    def name(self, kind: str, original: str) -> str:
        """What stands for the name of a file or a folder.

        Args:
            kind: Leads the new name.
            original: The name it stands for.
        """
        return f"{kind}-{base64.b32encode(self._digest('name', original)[:10]).decode().lower()}"

    def fingerprint(self) -> str:
        """Tells two keys apart and gives neither away."""
        return self._digest("fingerprint", "").hex()[:12]
