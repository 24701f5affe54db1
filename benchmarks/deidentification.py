"""Headers without their patients: files a second beside other programs, and what each leaves behind.

    python -m benchmarks.deidentification FOLDER [rounds]

FOLDER holds DICOM files. Every program takes those that all of them can read, in one process and one thread, in interleaved
rounds; counted are the processor's seconds, since a busy machine stretches those of the clock. Each reads a file and writes
one; ours also hashes both, gives each its folder, and keeps the manifest. pydicom's bare read and write does nothing else. Then
the planted words of the known answers are counted in what each wrote. Peers that are not installed are named and left out.
"""

from __future__ import annotations

import logging
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pydicom import dcmread

from preceptor.core.errors import PreceptorError
from preceptor.intake.deidentify.dicom import clean_dicom
from preceptor.intake.deidentify.folder import deidentify_folder
from preceptor.intake.deidentify.profile import Settings
from preceptor.intake.deidentify.pseudonyms import Key

KEY = b"a key for this benchmark alone"
Program = Callable[[list[Path], Path], None]


def ours(paths: list[Path], out: Path) -> None:
    """As `preceptor deidentify` with one process, hashes and manifest included."""
    key = out.parent / "key.txt"
    key.write_bytes(KEY)
    deidentify_folder(paths[0].parent, out / "cleaned", Settings(again=True), key, workers=1)


def bare(paths: list[Path], out: Path) -> None:
    for path in paths:
        dcmread(path).save_as(out / path.name)


def dicognito(paths: list[Path], out: Path) -> None:
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()
    for path in paths:
        dataset = dcmread(path)
        anonymizer.anonymize(dataset)
        dataset.save_as(out / path.name)


def dicom_anonymizer(paths: list[Path], out: Path) -> None:
    from dicomanonymizer import anonymize_dicom_file

    for path in paths:
        anonymize_dicom_file(str(path), str(out / path.name))


def deid(paths: list[Path], out: Path) -> None:
    from deid.dicom import replace_identifiers

    replace_identifiers([str(path) for path in paths], output_folder=str(out), save=True, remove_private=True)


PROGRAMS: dict[str, tuple[str, Program]] = {
    "preceptor": ("preceptor", ours),
    "pydicom read and write": ("pydicom", bare),
    "dicognito": ("dicognito", dicognito),
    "dicom-anonymizer": ("dicomanonymizer", dicom_anonymizer),
    "deid": ("deid", deid),
}


def readable(folder: Path, into: Path, programs: dict[str, Program]) -> list[Path]:
    """Copies of the files that every program takes."""
    kept = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with tempfile.TemporaryDirectory() as name:
            try:
                clean_dicom(path.read_bytes(), Settings(again=True), Key(KEY))
                for number, (title, program) in enumerate(programs.items()):
                    if title != "preceptor":
                        place = Path(name) / str(number)
                        place.mkdir()
                        program([path], place)
            except (PreceptorError, Exception):  # noqa: B014  peers raise anything
                continue
        kept.append(into / path.name)
        shutil.copyfile(path, kept[-1])
    return kept


def measured(program: Program, paths: list[Path]) -> float:
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        out.mkdir()
        began = time.process_time()
        program(paths, out)
        return time.process_time() - began


def left_behind(programs: dict[str, Program], source: Path) -> None:
    """How many planted words stand in what each program wrote."""
    from tests.golden.canaries import canary_file

    data, words = canary_file(source)
    print(f"\nplanted words left of {len(words)}, in the bytes of one file:")
    for title, program in programs.items():
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "in").mkdir()
            (Path(name) / "out").mkdir()
            path = Path(name) / "in/planted.dcm"
            path.write_bytes(data)
            program([path], Path(name) / "out")
            written = b"".join(each.read_bytes() for each in (Path(name) / "out").rglob("*.dcm"))
            print(f"  {title:24} {sum(word.encode() in written for word in words):3}")


def main(folder: Path, rounds: int) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    programs = {title: program for title, (module, program) in PROGRAMS.items() if find_spec(module)}
    absent = [title for title, (module, _) in PROGRAMS.items() if not find_spec(module)]
    with tempfile.TemporaryDirectory() as name:
        paths = readable(folder, Path(name), programs)
        size = sum(path.stat().st_size for path in paths)
        seconds: dict[str, list[float]] = {title: [] for title in programs}
        for _ in range(rounds):
            for title, program in programs.items():
                seconds[title].append(measured(program, paths))
        print(
            f"{len(paths)} files, {size / 1e6:.1f} MB, {rounds} interleaved rounds, one thread; medians of processor time"
        )
        unit = statistics.median(seconds["preceptor"])
        for title, times in seconds.items():
            median = statistics.median(times)
            print(f"  {title:24} {len(paths) / median:8.0f} files/s   preceptor is {median / unit:5.2f} times as fast")
        if absent:
            print(f"  not installed: {', '.join(absent)}")
        small = next((path for path in paths if path.name == "219_MR_small.dcm"), None)
        if small is not None:
            left_behind(programs, small)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
