"""How well a registration went, in numbers, and the limits below which it counts as failed.

A registration's optimizer reports that it converged in failed runs too, so success is read from the images: do grey
values agree where they now lie on one another, and did space stay in order (nothing folded, nothing inflated)?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from preceptor.maths.similarity import correlation, foreground, mutual_information

#: A limit lies this far below the worst of the runs known to be good.
_MARGIN = 0.1
#: An affine map that makes a patient three times as large or small is no registration of two of a kind.
_MOST_GROWTH = 3.0
#: The share of a deformed image that may be turned inside out.
_MOST_FOLDED = 0.001
#: How much of the fixed image's foreground the moving image must cover.
_LEAST_COVERED = 0.5


@dataclass(frozen=True)
class Agreement:
    """How alike two images are that lie on one grid.

    Args:
        mutual_information: In nats, 32 bins, where both images are.
        correlation: Of grey values, over the foreground of either image.
        foreground_dice: Of the two foregrounds (Otsu's threshold in each).
        covered: Share of the fixed image's foreground that lies inside the moving image.
    """

    mutual_information: float
    correlation: float
    foreground_dice: float
    covered: float


@dataclass(frozen=True)
class Quality:
    """What there is to know of one registration.

    Args:
        before: Agreement where the files' own coordinates put the images.
        after: Agreement after registration.
        growth: Volume in the moving image over the volume it is mapped from: the affine part's determinant.
        jacobian: ``(lowest, highest)`` determinant over the fixed grid, in millimetres; both are `growth` unless it deforms.
        folded: Share of the fixed grid where the determinant is 0 or less.
        inverse_consistency_mm: Mean distance between a point and where it lands after going there and, by a second
            registration, back; NaN where nobody asked.
    """

    before: Agreement
    after: Agreement
    growth: float
    jacobian: tuple[float, float]
    folded: float
    inverse_consistency_mm: float = float("nan")

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """The least agreement that counts as success; None does not ask.

    Nothing general can be said: agreement depends on contrast, noise and body part. Set limits from registrations of
    the same kind known to be good (`Limits.of`).

    Args:
        mutual_information, correlation, foreground_dice: As in `Agreement`. Correlation means nothing between two
            contrasts: leave it out there.
        inverse_consistency_mm: The most that it may be.
    """

    mutual_information: float | None = None
    correlation: float | None = None
    foreground_dice: float | None = None
    inverse_consistency_mm: float | None = None

    @classmethod
    def of(cls, good: Sequence[Quality], *, same_contrast: bool = True) -> Limits:
        """Limits a tenth below the worst of some registrations known to be good.

        Args:
            good: Of the same kind of images.
            same_contrast: Whether correlation means something between the two.
        """
        information = min(each.after.mutual_information for each in good)
        alike = min(each.after.correlation for each in good)
        overlap = min(each.after.foreground_dice for each in good)
        keep = 1 - _MARGIN
        return cls(keep * information, keep * alike if same_contrast else None, keep * overlap)


def agreement(fixed: np.ndarray, moved: np.ndarray, inside: np.ndarray) -> Agreement:
    """How alike two images of one grid are.

    Args:
        fixed, moved: ``(*space,)``.
        inside: ``(*space,)`` bool: where the moving image reaches.
    """
    front = foreground(fixed)
    other = foreground(np.where(inside, moved, moved.min())) & inside
    either = (front | other) & inside
    sizes = int(front.sum() + other.sum())
    return Agreement(
        mutual_information(fixed[inside], moved[inside]),
        correlation(fixed[either], moved[either]),
        2 * int((front & other).sum()) / sizes if sizes else float("nan"),
        float(inside[front].mean()) if front.any() else float("nan"),
    )


def jacobian(places: np.ndarray) -> np.ndarray:
    """Determinant of a map given at every voxel, by central differences.

    Args:
        places: ``(axis, *shape)`` where each voxel of the fixed grid is read from, in voxels of the moving one.

    Returns:
        ``(*shape,)``; 0 or less where space is folded.
    """
    slopes = [np.gradient(each) for each in places]
    if len(places) == 2:
        (xx, xy), (yx, yy) = slopes
        return xx * yy - xy * yx
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = slopes
    return xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)


def failures(quality: Quality, limits: Limits) -> Iterator[str]:
    """Why a registration counts as failed, one reason at a time; nothing where it succeeded."""
    after = quality.after
    if not np.isfinite(quality.growth) or not 1 / _MOST_GROWTH < quality.growth < _MOST_GROWTH:
        yield f"it changes the volume {quality.growth:.2g}-fold"
    if not after.covered >= _LEAST_COVERED:
        yield f"the moving image covers {100 * after.covered:.0f} % of the fixed one's foreground"
    if quality.folded > _MOST_FOLDED:
        yield f"{100 * quality.folded:.1f} % of space is folded"
    # A handful of voxels that happen to overlap always inform on one another.
    comparable = quality.before.covered >= _LEAST_COVERED
    if comparable and after.mutual_information < quality.before.mutual_information - 0.02:
        yield (
            f"the images agree less than before it (mutual information {after.mutual_information:.3f} nats, "
            f"{quality.before.mutual_information:.3f} before)"
        )
    for name, unit in (("mutual_information", " nats"), ("correlation", ""), ("foreground_dice", "")):
        least, found = getattr(limits, name), getattr(after, name)
        if least is not None and not found >= least:
            yield f"the {name.replace('_', ' ')} is {found:.3f}{unit}, and {least:.3f} is the least that counts as good"
    most = limits.inverse_consistency_mm
    if most is not None and not quality.inverse_consistency_mm <= most:
        yield f"there and back misses by {quality.inverse_consistency_mm:.2f} mm, and {most:.2f} mm is the most"
