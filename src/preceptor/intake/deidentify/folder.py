"""A folder of whatever a hospital sent, written anew without its patients."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError, PreceptorError, PrepareError, RecipeError, safe_name
from preceptor.core.files import digest_file
from preceptor.intake.video.video_decoding import video_kind

from .clips.cleaning import CleanedClip, clean_clip
from .dicom import Cleaned, clean_dicom, is_dicom
from .manifest import NAME, Manifest
from .nifti import clean_nifti, is_nifti
from .outcome import Outcome, Report
from .pixels import with_clean_pixels
from .profile import Settings
from .pseudonyms import Key
from .review import series_to_review
from .sidecar import clean_gradients, clean_sidecar
from .slides.cleaning import CleanedSlide, clean_slide
from .slides.directories import is_tiff
from .slides.vendors import foreign_slide
from .table import EDITION

_PARTS = ".parts"
#: Most files are read whole; slides and clips are cleaned from file to file, slides whatever their size.
_LARGEST_BYTES = 4 * 2**30


def deidentify_folder(
    source: Path,
    out: Path,
    settings: Settings,
    key_file: Path,
    *,
    workers: int | None = None,
    fresh: bool = False,
    tell: Callable[[Outcome], None] | None = None,
) -> Report:
    """Write every file of a folder anew without its patient, or refuse it.

    Names of files and folders are replaced as well. A batch that was stopped goes on where it stood.

    Args:
        source: A folder or a file; links are not followed.
        out: A folder that is empty, or that this function began.
        settings: The profile.
        key_file: Holds the key; it must lie outside of `out`.
        workers: Processes; by default one for every core.
        fresh: Start anew where a batch lies.
        tell: Called with each file's outcome, in the order of paths.

    Returns:
        The batch in numbers; what was done to each file stands in the manifest.

    Raises:
        RecipeError: The key is absent or too short, or key and folders lie inside one another.
        CohortError: There is nothing to clean, or `out` holds something else.
    """
    source, out = Path(source), Path(out)
    _refuse_places(source, out, Path(key_file))
    key = Key.read(key_file)
    if fresh and (out / NAME).exists():
        shutil.rmtree(out)
    heading = {"edition": EDITION, **settings.record(), "key": key.fingerprint()}
    manifest = Manifest(out, heading)
    paths = list(_files(source))
    if not paths:
        raise CohortError("there is no file to clean", expected="a folder with images", code="nothing_here")
    parts = out / _PARTS
    parts.mkdir(exist_ok=True)
    report = Report(out)
    root = source if source.is_dir() else source.parent
    task = partial(_clean_one, root=root, parts=parts, settings=settings, key=key, done=_finished(manifest))
    try:
        for number, (path, made) in enumerate(zip(paths, _all(task, paths, workers), strict=True), start=1):
            outcome = _settle(number, path, made, manifest, parts)
            report.states[outcome.state] += 1
            report.actions.update(made.get("actions", {}))
            if outcome.state == "refused":
                report.refused.append(outcome)
            if outcome.flags:
                report.flagged.append(outcome)
            if tell is not None:
                tell(outcome)
    finally:
        manifest.close()
    shutil.rmtree(parts)
    report.patients = sum(each.is_dir() and not each.name.startswith("folder-") for each in out.iterdir())
    report.series = series_to_review(manifest.done.values())
    return report


def _refuse_places(source: Path, out: Path, key_file: Path) -> None:
    inside = [("the key lies", key_file.resolve(), out.resolve())] if key_file.exists() else []
    inside += [("the cleaned files would lie", out.resolve(), source.resolve())]
    inside += [("the originals lie", source.resolve(), out.resolve())]
    for what, inner, outer in inside:
        if inner == outer or inner.is_relative_to(outer):
            raise RecipeError(
                f"{what} in a folder that is handed on, or mixed with what must not be",
                expected="originals, key and cleaned files in folders apart",
                remedy="name another folder for the cleaned files, and keep the key with the originals",
                code="places_mixed",
            )
    if not source.exists():
        raise CohortError("the originals are not here", expected="a file or a folder", code="data_absent")


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    for folder, folders, names in os.walk(source):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names))


def _finished(manifest: Manifest) -> frozenset[str]:
    return frozenset(digest for digest in manifest.done if manifest.finished(digest))


def _all(task: Callable[[Path], dict], paths: list[Path], workers: int | None) -> Iterator[dict[str, Any]]:
    count = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if count <= 1 or len(paths) < 4:
        yield from map(task, paths)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of this process hold
    done = 0
    while done < len(paths):
        try:
            with ProcessPoolExecutor(count, mp_context=context) as pool:
                for made in pool.map(task, paths[done:], chunksize=4):
                    yield made
                    done += 1
        except BrokenProcessPool:  # one of the next files ends its process: this one goes alone, so only it is lost
            yield _alone(task, paths[done], context)
            done += 1


def _alone(task: Callable[[Path], dict], path: Path, context: Any) -> dict[str, Any]:
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(task, path).result()
    except BrokenProcessPool:
        return {"reason": "reading it ended the process that read it", "code": "process_ended", "sha256_in": ""}


def _clean_one(
    path: Path, *, root: Path, parts: Path, settings: Settings, key: Key, done: frozenset[str]
) -> dict[str, Any]:
    """Clean one file into the folder of parts; what is returned holds nothing of the original but its hash."""
    digest = name = ""
    try:
        if path.is_symlink() or not path.is_file():
            raise PrepareError("it is a link, or no file", expected="a file", code="link")
        with path.open("rb") as stream:
            start = stream.read(132)
        if not is_dicom(start) and (is_tiff(start) or video_kind(start)):
            digest, place = digest_file(path), _renamed(path.relative_to(root), key)
            name = Manifest.name(digest, place)
            if name in done:
                return {"sha256_in": digest, "name": name, "done": True}
            return {
                "sha256_in": digest,
                "name": name,
                **_clean_from_file(path, start, parts / _part(name), place),
            }
        if path.stat().st_size > _LARGEST_BYTES:
            raise PrepareError("it is larger than 4 GiB", expected="a smaller file", code="too_large")
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        name = digest if is_dicom(data) else Manifest.name(digest, _renamed(path.relative_to(root), key))
        if name in done:
            return {"sha256_in": digest, "name": name, "done": True}
        made, findings = _cleaned(data, path, root, settings, key)
    except PreceptorError as error:
        return {"sha256_in": digest, "reason": error.problem.what, "code": error.problem.code}
    except (OSError, MemoryError) as error:
        return {"sha256_in": digest, "reason": f"it can't be read ({type(error).__name__})", "code": "unreadable"}
    part = parts / _part(name)
    part.write_bytes(made.content)
    return {
        "sha256_in": digest,
        "name": name,
        "part": part.name,
        "file": made.place,
        "sha256_out": hashlib.sha256(made.content).hexdigest(),
        "actions": dict(made.counts),
        "flags": list(made.flags),
        "shows": made.shows,
        **({"pixels": findings} if findings else {}),
    }


def _part(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()}.part"


def _clean_from_file(path: Path, start: bytes, part: Path, place: str) -> dict[str, Any]:
    """Clean a slide or a clip, which is not held in memory, into the folder of parts."""
    kind = video_kind(start)
    made: CleanedSlide | CleanedClip
    try:
        made = clean_slide(path, part) if kind is None else clean_clip(path, kind, part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return {
        "part": part.name,
        "file": place + made.suffix,
        "sha256_out": digest_file(part),
        "actions": dict(made.counts),
        "flags": list(made.flags),
        "shows": "slide" if kind is None else "clip",
    }


def _cleaned(data: bytes, path: Path, root: Path, settings: Settings, key: Key) -> tuple[Cleaned, dict | None]:
    if is_dicom(data):
        if "pixel-data" in settings.retain:
            return with_clean_pixels(data, path, settings, key)
        return clean_dicom(data, settings, key, safe_name(path)), None
    place = _renamed(path.relative_to(root), key)
    if is_nifti(data):
        return clean_nifti(data, place), None
    suffix = path.suffix.lower()
    if suffix == ".json":
        return clean_sidecar(data, place), None
    if suffix in (".bval", ".bvec"):
        return clean_gradients(data, place, suffix), None
    foreign = foreign_slide(path, data[:132])
    if foreign is not None:
        raise foreign
    raise PrepareError(
        "it is of a kind that can't be cleaned here",
        expected="DICOM with its preamble, NIfTI, a slide in TIFF, a clip, or a sidecar (.json, .bval, .bvec)",
        remedy="clean it by other means; nothing of it was copied",
        code="kind_unknown",
    )


def _renamed(relative: Path, key: Key) -> str:
    """The path with every name replaced; files that share a stem still do, so a sidecar finds its image."""
    folders = [key.name("folder", "/".join(relative.parts[: end + 1])) for end in range(len(relative.parts) - 1)]
    stem = relative.name.removesuffix(".gz").rpartition(".")[0]
    return "/".join([*folders, key.name("file", f"{relative.parent.as_posix()}/{stem}")])


def _settle(number: int, path: Path, made: dict[str, Any], manifest: Manifest, parts: Path) -> Outcome:
    """Move a cleaned file to its place, unless another has taken it, and note what happened."""
    shown, digest = safe_name(path), made.pop("sha256_in")
    name = made.pop("name", digest)
    if made.get("done"):
        entry = manifest.done[name]
        return Outcome(number, shown, "done before", entry["file"], flags=tuple(entry.get("flags", ())))
    part = made.pop("part", None)
    if part is not None and manifest.finished(name):
        (parts / part).unlink(missing_ok=True)
        return Outcome(number, shown, "repeated", manifest.done[name]["file"])
    other = manifest.places.get(made["file"], name) if part is not None else name
    if part is not None and other != name:
        (parts / part).unlink(missing_ok=True)
        if manifest.done[other]["sha256_out"] == made["sha256_out"]:
            return Outcome(number, shown, "repeated", made["file"])
        made = {"reason": "another file with other content has the same UID", "code": "uid_repeated"}
        part = None
    if part is None:
        manifest.record(digest, {"refused": made["code"]})
        return Outcome(number, shown, "refused", reason=made["reason"], code=made["code"])
    place = manifest.folder / made["file"]
    place.parent.mkdir(parents=True, exist_ok=True)
    (parts / part).replace(place)
    manifest.record(digest, made)
    return Outcome(number, shown, "cleaned", made["file"], flags=tuple(made["flags"]))
