"""N4: the smooth field that multiplies an MR image is found and divided out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PrepareError

#: Fewer voxels along an axis are not shrunken further: a spline needs some to rest on.
_FEWEST_VOXELS = 16
#: Where the field is sought there must be at least this many voxels of signal.
_FEWEST_INSIDE = 64


@dataclass(frozen=True)
class Correction:
    """What N4 does and how long it goes on.

    Args:
        shrink: Voxels along each axis that are taken together while the field is sought.
        levels: Each has twice as many spline control points an axis as the one before.
        iterations: At most, at each level.
        convergence: A level ends when the field changes by less than this share.
    """

    shrink: int = 2
    levels: int = 4
    iterations: int = 50
    convergence: float = 1e-3


def log_field(
    picture: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, ...], how: Correction = Correction()
) -> np.ndarray:
    """The logarithm of the field by which a picture is multiplied.

    It is sought on a shrunken picture and, being a spline, laid out exactly at full resolution. Voxels without signal
    are left out: their logarithm is no number, and a background of noise would drive the fit.

    Args:
        picture: ``(*space)``, 2 or 3 axes.
        inside: ``(*space)`` bool: where to look.
        spacing_mm: Of each axis.
        how: See `Correction`.

    Returns:
        ``(*space)`` float32, with the mean 0 inside: no image becomes brighter or darker as a whole.

    Raises:
        PrepareError: There is hardly a voxel with signal inside.

    Source: Tustison 2010, "N4ITK: improved N3 bias correction", IEEE Transactions on Medical Imaging 29(6).
    """
    import SimpleITK

    inside = inside & (picture > 0) & np.isfinite(picture)
    if inside.sum() < _FEWEST_INSIDE:
        raise PrepareError(
            f"there are {int(inside.sum())} voxels with signal to find a bias field in",
            where="prepare.n4",
            expected=f"{_FEWEST_INSIDE} or more voxels above 0",
            remedy="put n4 before the steps that centre or clip grey values; CT has no bias field",
            code="no_signal",
        )
    image = SimpleITK.GetImageFromArray(picture.astype(np.float32).T)
    mask = SimpleITK.GetImageFromArray(inside.astype(np.uint8).T)
    for each in (image, mask):
        each.SetSpacing([float(mm) for mm in spacing_mm])
    shrink = [max(1, min(how.shrink, size // _FEWEST_VOXELS)) for size in picture.shape]
    small_mask = SimpleITK.Shrink(mask, shrink)
    if not SimpleITK.GetArrayViewFromImage(small_mask).any():
        shrink, small_mask = [1] * picture.ndim, mask
    corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([how.iterations] * how.levels)
    corrector.SetConvergenceThreshold(how.convergence)
    corrector.SetNumberOfThreads(1)  # sums in another order would change the last bits
    corrector.Execute(SimpleITK.Shrink(image, shrink), small_mask)
    field = SimpleITK.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)).T
    field = np.ascontiguousarray(field, dtype=np.float32)
    return field - np.float32(field[inside].mean(dtype=np.float64))
