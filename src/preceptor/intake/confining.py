"""Files that a cohort names lie inside the folders it may read from, whatever their links lead to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, Problem


def refuse_outside(cohort: Cohort, roots: Sequence[Path]) -> None:
    """Refuse a cohort of which a source, symbolic links followed, lies outside the allowed folders.

    The recipe's own paths are looked at when it is loaded; what a pattern matched or a table named is known only now.

    Args:
        cohort: Just built; no pixel has been read.
        roots: Allowed folders.

    Raises:
        CohortError: Cases lead outside; each is named by its key.
    """
    allowed = [Path(root).resolve() for root in roots]
    outside = sorted({key for key, path in _files(cohort) if not _inside(path, allowed)})
    if outside:
        problem = Problem(
            f"{len(outside)} case{'s' if len(outside) > 1 else ''} lead outside the allowed folders",
            expected="files inside the folders given by --root, symbolic links followed",
            remedy="copy the data there, or allow its folder with --root",
            code="source_outside",
            cases=tuple(outside),
        )
        raise CohortError(str(problem), where=cohort.name, code="source_outside", problems=[problem])


def _files(cohort: Cohort) -> Iterator[tuple[str, Path]]:
    """Every source, and what lies in a series' folder."""
    for case in cohort:
        for source in (*case.images.values(), *case.masks.values()):
            path = (cohort.root / source.partition("::")[0]).resolve()
            yield case.key, path
            if path.is_dir():
                yield from ((case.key, each.resolve()) for each in path.iterdir())


def _inside(path: Path, allowed: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in allowed)
