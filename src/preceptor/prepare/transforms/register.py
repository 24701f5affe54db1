"""Register: lay each image onto an atlas, or the other views of a patient onto one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.image import Image
from preceptor.prepare.registration import register


class Register:
    """Shows every image on a fixed image's grid, where it lies on that image: an atlas', or another view's.

    The map that registration finds composes with the other spatial steps, so pixels are interpolated once. A case whose
    registration failed is refused. With `view` the step comes first: the other views are laid onto that one as it was
    read.

    Args:
        atlas: An image file to lay each case onto. Relative paths start at the recipe's folder.
        view: Instead of an atlas, the view that the patient's other views are laid onto.
        kind: ``rigid`` within a patient; ``affine`` between a patient and an atlas.
        starts: ``one`` finds turns of some 15 degrees, ``many`` of 60.
        effort: ``fine`` or ``quick``.
        seed: Of the voxels compared.

    Shapes: ``(channel, x, y[, z])``; the output has the fixed image's grid.

    Returns:
        From `draw`: a `Spatial`, or `Nothing` for the view that the others are laid onto.

    Raises:
        RecipeError: Neither or both of `atlas` and `view` are given.
        PrepareError: The registration failed; the atlas can't be read (at the fit); the case lacks the view, or its
            views were moved before.

    Source: Mattes 2003, IEEE Transactions on Medical Imaging 22(1); see `preceptor.prepare.registration`.

    Example:
        >>> Register(atlas="atlas.nii.gz").kind
        'affine'
    """

    def __init__(
        self,
        atlas: str | None = None,
        view: str | None = None,
        kind: Literal["rigid", "affine"] = "affine",
        starts: Literal["one", "many"] = "one",
        effort: Literal["fine", "quick"] = "fine",
        seed: int = 0,
        root: Path | None = None,
    ) -> None:
        if (atlas is None) == (view is None):
            raise RecipeError(
                "register needs an atlas or a view" if atlas is None else "register has both an atlas and a view",
                where="prepare.register",
                expected="atlas: path/to/atlas.nii.gz, or view: t1",
                code="register_target",
            )
        self.atlas = atlas
        self.view = view
        self.kind = kind
        self.starts = starts
        self.effort = effort
        self.seed = seed
        self.root = root
        self._case: Sample | None = None
        self._atlas: Image | None = None

    @classmethod
    def example(cls) -> Register:
        return cls(view="image", kind="rigid", effort="quick")

    def fit(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """The atlas itself, so that a bundle holds it and needs no file. Nothing is learnt from the cases."""
        if self.atlas is None:
            return {}
        from preceptor.intake.door import read_apart

        path = Path(self.atlas) if self.root is None else self.root / self.atlas
        image = read_apart(path.parent, path.name)
        return {"atlas": image.array[:1].astype(np.float32), "affine_mm": image.affine_mm}

    def with_state(self, state: Mapping[str, Any]) -> Register:
        fitted = copy(self)
        if "atlas" in state:
            fitted._atlas = Image(np.asarray(state["atlas"]), np.asarray(state["affine_mm"]))
        return fitted

    def with_case(self, sample: Sample) -> Register:
        """The same step, knowing the whole case as it was read: views on other grids are prepared one by one."""
        bound = copy(self)
        bound._case = sample
        return bound

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        fixed = self._atlas if self.view is None else self._fixed_view(sample)
        if fixed is None:
            return Nothing()  # the view that stays, or an atlas that `fit` has not read yet
        moving = next(iter(sample.images.values()))
        found = register(moving, fixed, self.kind, seed=self.seed, starts=self.starts, effort=self.effort)
        quality = found.quality.after
        parameters = {"mutual_information": quality.mutual_information, "growth": found.quality.growth}
        return Spatial(found.spatial.matrix, found.spatial.shape, found.spatial.affine_mm, parameters=parameters)

    def _fixed_view(self, sample: Sample) -> Image | None:
        """The view to lay the others onto; None where this is it."""
        assert self.view is not None  # else `atlas` is given
        case = self._case or sample
        if self.view not in case.images:
            raise PrepareError(
                f"the case has no view '{self.view}' to lay its others onto",
                where="prepare.register",
                expected=f"one of {', '.join(case.images)}",
                remedy="exclude the case, or name a view that every case has",
                code="register_view_absent",
            )
        if self.view in sample.images:
            if sample.images[self.view].shape != case.images[self.view].shape:
                raise PrepareError(
                    f"the view '{self.view}' was moved before the others are laid onto it",
                    where="prepare.register",
                    expected="register as the first step of `prepare`",
                    code="register_not_first",
                )
            return None
        return case.images[self.view]
