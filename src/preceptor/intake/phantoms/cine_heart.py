"""Beating hearts in thick short-axis slices, with a known ejection fraction."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.errors import RecipeError
from preceptor.maths.phantom_heart import (
    CAVITY,
    MYOCARDIUM,
    RIGHT_VENTRICLE,
    Heart,
    end_systolic_frame,
    heart_shares,
)
from preceptor.maths.phantoms import Anatomy, ellipsoid, share_inside, smooth_field

#: Grey values: lung, chest wall, and the parts of the heart.
_LUNG, _CHEST = 0.1, 0.45
_GREY = {RIGHT_VENTRICLE: 0.8, MYOCARDIUM: 0.3, CAVITY: 0.85}

#: Where the left ventricle's axis lies: towards the patient's left, so that both ventricles are in the picture.
_AXIS_MM = np.array([-14.0, -4.0])


class CineHeart:
    """A beating heart in thick short-axis slices: both ventricles and the myocardium, its volume curve known.

    The left cavity is half an ellipsoid whose volume follows ``V = ESV + (EDV - ESV) * (1 + cos(pi * s)) / 2`` from end
    diastole, the first frame, to end systole and back; the wall keeps its volume and thickens, the base comes down. The
    shares of the voxels add up to those volumes exactly, however thick the slices. Label maps hold 1 for the right
    ventricle, 2 for the myocardium and 3 for the left cavity: what fills most of a voxel, so that counting them errs as
    discs from thick slices do. The right ventricle has no volume of its own in the table.

    Slices are held in breaths of their own: each is shifted in its plane, its truth with it, by as much as
    `misalignment_mm` says. That moves no blood: the volumes stay.

    Args:
        size: Voxels along 3 axes, slices last.
        spacing_mm: Along each axis; slices touch one another.
        show: ``film`` is one view over time, ``cine`` (NIfTI alone holds it); ``ends`` are two views, ``end_diastole`` and
            ``end_systole``, each with its label map.
        frames: In a beat.
        end_diastolic_ml: Smallest and largest volume at end diastole.
        ejection_fraction_percent: Smallest and largest.
        misalignment_mm: Standard deviation of the slices' shift along either axis.
        noise: Standard deviation of the noise.

    Raises:
        RecipeError: A heart does not fit into the field of view.

    Source: own generator; half ellipsoids as in Wyatt et al. 1980, Circulation 61; label values as in the ACDC challenge
    (Bernard et al. 2018, IEEE Transactions on Medical Imaging 37).

    Example:
        >>> drawn = CineHeart(show="ends").draw(Turn(seed=0, index=0, cases=4))
        >>> list(drawn.images), drawn.labels["ejection_fraction_percent"]
        (['end_diastole', 'end_systole'], 27.485)
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(6), Le(1024)]], Len(3, 3)] = [64, 64, 12],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(3, 3)] = [2.5, 2.5, 9.0],  # noqa: B006
        show: Literal["film", "ends"] = "film",
        frames: Annotated[int, Ge(3), Le(200)] = 14,
        end_diastolic_ml: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (90.0, 190.0),
        ejection_fraction_percent: tuple[Annotated[float, Ge(1), Le(90)], Annotated[float, Ge(1), Le(90)]] = (
            20.0,
            70.0,
        ),
        misalignment_mm: Annotated[float, Ge(0)] = 0.0,
        noise: Annotated[float, Ge(0)] = 0.03,
    ) -> None:
        self.size, self.spacing_mm, self.show, self.frames = size, spacing_mm, show, frames
        self.end_diastolic_ml, self.ejection_fraction_percent = end_diastolic_ml, ejection_fraction_percent
        self.misalignment_mm, self.noise = misalignment_mm, noise

    @classmethod
    def example(cls) -> CineHeart:
        return cls(size=[16, 16, 6], spacing_mm=[10.0, 10.0, 18.0], frames=4)

    def draw(self, turn: Turn) -> Drawn:
        rng = turn.rng("heart")
        percent = round(float(rng.uniform(*self.ejection_fraction_percent)), 4)
        heart = Heart(
            round(float(rng.uniform(*self.end_diastolic_ml)), 4),
            percent / 100,
            float(rng.uniform(72, 84)),
            float(rng.uniform(7, 10)),
        )
        shifts_mm = self.misalignment_mm * turn.rng("breath").normal(size=(self.size[2], 2))
        centre_mm = _AXIS_MM + turn.rng("place").uniform(-4, 4, 2) + shifts_mm
        self._refuse_cut(heart, centre_mm)
        chest = self._chest(Anatomy.draw(turn.rng("person")), shifts_mm)
        volumes_ml, systole = heart.volumes_ml(self.frames), end_systolic_frame(self.frames)
        beats = float(turn.rng("rate").uniform(50, 90))
        shown, truth = [], []
        for frame in (0, systole) if self.show == "ends" else range(self.frames):
            shares = heart_shares(heart, float(volumes_ml[frame]), self.size, self.spacing_mm, centre_mm)
            grey = chest * (1 - sum(shares.values(), np.zeros(self.size)))
            for label, share in shares.items():
                grey = grey + _GREY[label] * share
            grain = turn.rng(f"grain {frame}").normal(0, self.noise, grey.shape)
            shown.append((grey + grain).astype(np.float32))
            parts = np.stack(
                [1 - sum(shares.values(), np.zeros(self.size)), *(shares[each] for each in sorted(shares))]
            )
            truth.append(parts.argmax(axis=0).astype(np.uint8))
        spacing_mm, step_s = tuple(self.spacing_mm), 60 / beats / self.frames
        if self.show == "ends":
            names = ("end_diastole", "end_systole")
            images = {name: centred(each, spacing_mm) for name, each in zip(names, shown, strict=True)}
            masks = {name: centred(each, spacing_mm, is_label=True) for name, each in zip(names, truth, strict=True)}
        else:
            images = {"cine": centred(np.stack(shown), spacing_mm, time_step_s=step_s)}
            masks = {"heart": centred(np.stack(truth), spacing_mm, is_label=True, time_step_s=step_s)}
        labels = {
            "ejection_fraction_percent": percent,
            "function": "reduced" if percent <= 40 else "mildly_reduced" if percent < 50 else "preserved",
        }
        fields = {
            "end_diastolic_ml": heart.end_diastolic_ml,
            "end_systolic_ml": round(float(volumes_ml[systole]), 6),
            "myocardium_ml": round(heart.wall_ml, 6),
            "end_systolic_frame": systole,
            "beats_per_minute": round(beats, 2),
            "volumes_ml": json.dumps([round(float(each), 6) for each in volumes_ml]),
            "shifts_mm": json.dumps((np.round(shifts_mm, 4) + 0.0).tolist()),
        }
        return Drawn(images, masks, labels, fields, body_part="HEART")

    def _chest(self, anatomy: Anatomy, shifts_mm: np.ndarray) -> np.ndarray:
        """``(*size)`` what lies around the heart: lungs on both sides, a chest wall in front, liver beneath."""
        flat, chest = self.size[:2], np.zeros(self.size)
        half_mm = [count * step / 2 for count, step in zip(flat, self.spacing_mm, strict=False)]
        axes = [(np.arange(count) + 0.5) / count * 2 - 1 for count in flat]
        for place in range(self.size[2]):
            x, y = (axis - shift / half for axis, shift, half in zip(axes, shifts_mm[place], half_mm, strict=True))
            grid = [x[:, None], y[None]]
            texture = 0.04 * smooth_field(anatomy.grain, grid, flat)
            lungs = np.zeros(tuple(flat))
            for side, radii in ((-1, (0.55, 0.8)), (1, (0.4, 0.6))):
                middle = (side * 0.72, 0.12 if side > 0 else -0.05)
                lungs = np.maximum(lungs, share_inside(ellipsoid(grid, middle, radii), flat, radii))
            wall = np.broadcast_to(np.clip(0.5 + (y[None] - 0.78) * flat[1] / 2, 0, 1), tuple(flat))
            lungs = lungs * (1 - wall)
            chest[..., place] = (_CHEST + texture) * (1 - lungs) + (_LUNG + 0.3 * texture) * lungs
        return chest

    def _refuse_cut(self, heart: Heart, centre_mm: np.ndarray) -> None:
        outer = heart.half_axes_mm(heart.end_diastolic_ml)[0] + heart.wall_mm
        half_mm = [count * step / 2 for count, step in zip(self.size, self.spacing_mm, strict=True)]
        in_plane = all(np.abs(centre_mm[:, axis]).max() + outer <= half_mm[axis] for axis in (0, 1))
        if not in_plane or heart.apex_to_base_mm / 2 > half_mm[2]:
            raise RecipeError(
                "a heart does not fit into the field of view",
                expected=f"{2 * outer:.0f} mm across and {heart.apex_to_base_mm:.0f} mm from apex to base, and room for shifts",
                remedy="take more voxels, a wider spacing_mm, or less misalignment_mm",
                code="phantom_room",
            )
