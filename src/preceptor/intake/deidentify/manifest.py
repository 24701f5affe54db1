"""What was done to each file of a batch, a line of JSON each: hashes and counts, no names and no values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from preceptor.core.errors import CohortError

NAME = "manifest.jsonl"


@dataclass
class Manifest:
    """The record of a folder, written while it grows, so that a stopped batch goes on where it stood.

    Args:
        folder: Of the cleaned files.
        heading: Profile, options, edition and the key's fingerprint: what a folder's files must share.

    Raises:
        CohortError: The folder holds files that were cleaned otherwise, or files nobody recorded.
    """

    folder: Path
    heading: dict[str, Any]

    def __post_init__(self) -> None:
        self.done: dict[str, dict[str, Any]] = {}
        self.places: dict[str, str] = {}
        self._path = self.folder / NAME
        self._stream: TextIO | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._read()
        elif any(self.folder.iterdir()):
            raise CohortError(
                "the folder for the cleaned files holds something already",
                expected="a folder that is empty, or that this command began",
                remedy="name another folder",
                code="folder_in_use",
            )
        else:
            self._append({"preceptor": "deidentify", **self.heading})

    def record(self, digest: str, entry: dict[str, Any]) -> None:
        """Note what became of a file.

        Args:
            digest: SHA-256 of the original.
            entry: Place, hash and counts, or the reason it was refused.
        """
        self._append({"sha256_in": digest, **entry})
        self._keep(digest, entry)

    @staticmethod
    def name(digest: str, place: str) -> str:
        """What a file is known by: its content, and where that does not tell its place, as of a sidecar, its place too."""
        return digest if place.endswith(".dcm") else f"{digest} {place.partition('.')[0]}"

    def finished(self, name: str) -> dict[str, Any] | None:
        """What was noted for a file, if its cleaned form is still there."""
        entry = self.done.get(name)
        if entry is None or "file" not in entry:
            return None  # what was refused is tried again: another release may read it
        return entry if (self.folder / entry["file"]).is_file() else None

    def _keep(self, digest: str, entry: dict[str, Any]) -> None:
        name = self.name(digest, entry.get("file", ".dcm"))
        self.done[name] = entry
        if "file" in entry:
            self.places[entry["file"]] = name

    def close(self) -> None:
        """Nothing more is to be noted."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, line: dict[str, Any]) -> None:
        if self._stream is None:
            self._stream = self._path.open("a", encoding="utf-8")
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()  # what a killed batch has noted, it has noted

    def _read(self) -> None:
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a line cut short when the batch was stopped
            self._path.write_text(whole, encoding="utf-8")
        lines = [json.loads(line) for line in whole.splitlines()]
        if not lines or {key: lines[0].get(key) for key in self.heading} != self.heading:
            raise CohortError(
                "the folder holds files that were cleaned otherwise",
                expected="the same profile, options and key as when it was begun",
                remedy="name another folder, or start anew with --fresh",
                code="batch_other",
            )
        for line in lines[1:]:
            self._keep(line.pop("sha256_in"), line)
