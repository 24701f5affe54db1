"""Names burned into pixels, with the boxes they fill: what a search for burned-in text must find."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from preceptor.core.drawn import Drawn, Turn
from preceptor.core.errors import RecipeError
from preceptor.core.image import Image

#: Made-up people: no record stands behind any of them.
_FAMILY = (
    "ARDEN",
    "BELLWETHER",
    "CROWE",
    "DUNMORE",
    "EASTLAKE",
    "FENWICK",
    "GRAUBNER",
    "HOLLOWAY",
    "IVERSEN",
    "JUNIPER",
)
_GIVEN = ("ADA", "BRUNO", "CLARA", "DMITRI", "ELENA", "FARID", "GRETA", "HUGO", "INES", "JONAS")

#: Letters are not made smaller than this to fit; what then still does not is cut to the letters that do.
_SMALLEST_PX = 7


@dataclass(frozen=True)
class BurnedText:
    """How names are burned in.

    Args:
        share: Share of the cases that carry one.
        height_px: Smallest and largest height of the letters, in pixels.
        contrast: Least and most difference to the grey values beneath, in units of the full range.

    Raises:
        RecipeError: The share or a contrast is none of 0 to 1, or a range is empty.
    """

    share: float
    height_px: tuple[int, int] = (8, 20)
    contrast: tuple[float, float] = (0.2, 1.0)

    def __post_init__(self) -> None:
        (low, high), (least, most) = self.height_px, self.contrast
        if not (0 <= self.share <= 1 and 1 <= low <= high and 0 <= least <= most <= 1):
            raise RecipeError(
                "text can't be burned in so: share "
                f"{self.share:g}, height {low:g} to {high:g} pixels, contrast {least:g} to {most:g}",
                expected="a share in 0 to 1; heights of 1 pixel or more and contrasts in 0 to 1, the smaller first",
                code="burned_text",
            )

    def burn(self, drawn: Drawn, turn: Turn) -> Drawn:
        """A drawn case with a name in its images, or without, and the field ``burned_text`` that says which and where.

        The name, its height, contrast and place (a corner, or anywhere) are the case's; every view carries it, a volume
        on every slice, a film on every frame, upright as slices are displayed. Where it does not fit across it loses its
        date, then the given name, then is made smaller; the table holds the text and the height that are seen.

        Args:
            drawn: The case.
            turn: Whose turn it is.

        Returns:
            The case; ``burned_text`` is a JSON list of ``{view, text, box, height_px, contrast}``. A box is first column,
            first row, last column, last row of the displayed slice, from its upper left pixel 0.
        """
        found: list[dict[str, Any]] = []
        images = dict(drawn.images)
        if turn.rng("burned text").random() < self.share:
            for view, image in images.items():
                rng = turn.rng("burned name")  # the same for every view
                text = f"{rng.choice(_FAMILY)}^{rng.choice(_GIVEN)} {rng.integers(1930, 2010)}-{rng.integers(1, 13):02}"
                height = int(rng.integers(self.height_px[0], self.height_px[1] + 1))
                contrast = float(rng.uniform(*self.contrast))
                images[view], text, height, box = _burnt(image, text, height, contrast, rng)
                found.append(
                    {"view": view, "text": text, "box": box, "height_px": height, "contrast": round(contrast, 4)}
                )
        return replace(drawn, images=images, fields={**drawn.fields, "burned_text": json.dumps(found)})


def _burnt(
    image: Image, text: str, height: int, contrast: float, rng: np.random.Generator
) -> tuple[Image, str, int, list[int]]:
    """The image with a text in it, as much of it as fits, its height, and the box it fills."""
    volume = image.space_dims == 3
    array = image.array.copy()
    # Displayed slices run to the patient's left and back, pictures as they are stored.
    shown = np.flip(array, axis=(-3, -2)) if volume else array
    columns, rows = (shown.shape[-3], shown.shape[-2]) if volume else shown.shape[-2:]
    text, height = _fitting(text, height, columns, rows)
    letters = _letters(text, height)[:columns, :rows]
    width, depth = letters.shape
    across, down = rng.random(2)
    if rng.random() < 0.5:  # where scanners write
        across, down = round(across), round(down)
    column, row = round(across * (columns - width)), round(down * (rows - depth))
    place: tuple[Any, ...] = (..., slice(column, column + width), slice(row, row + depth))
    place += (slice(None),) if volume else ()
    beneath = shown[place]
    sign = 1.0 if float(beneath.mean()) < 0.5 else -1.0
    share = letters[:, :, None] if volume else letters
    shown[place] = np.where(share > 0, np.clip(beneath + sign * contrast * share, 0, 1), beneath)
    inked = np.argwhere(letters > 0.25)
    (left, top), (right, bottom) = inked.min(axis=0), inked.max(axis=0)
    box = [int(column + left), int(row + top), int(column + right), int(row + bottom)]
    return image.with_array(array), text, height, box


def _fitting(text: str, height: int, columns: int, rows: int) -> tuple[str, int]:
    """What can be written into so many pixels: the text or a part of it, and the height of its letters."""
    family = text.split("^")[0]
    asked = [(each, height) for each in (text, text.rpartition(" ")[0], family)]
    smaller = [(family, each) for each in range(height - 1, _SMALLEST_PX - 1, -1)]
    cut = [(family[:letters], min(height, _SMALLEST_PX)) for letters in range(len(family) - 1, 0, -1)]
    for each, high in (*asked, *smaller, *cut):
        across, down = _letters(each, high).shape
        if across <= columns and down <= rows:
            return each, high
    return family[0], min(height, _SMALLEST_PX)


@cache
def _letters(text: str, height: int) -> np.ndarray:
    """``(column, row)`` how much of each pixel a letter covers."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox(text)
    canvas = Pillow.new("L", (int(right - left) + 1, int(bottom - top) + 1))
    ImageDraw.Draw(canvas).text((-left, -top), text, fill=255, font=font)
    return np.asarray(canvas, np.float64).T / 255
