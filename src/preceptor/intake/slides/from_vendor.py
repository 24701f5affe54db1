"""Slides of vendors' own formats, by OpenSlide."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .bounds import RefusedError, check_level


class VendorSlide:
    """A slide in a format that OpenSlide reads: Hamamatsu, Leica, MIRAX, Philips, Sakura, Trestle, Ventana, Zeiss.

    Args:
        path: The file.
    """

    reader = "openslide"

    def __init__(self, path: Path) -> None:
        try:
            import openslide
        except OSError as error:  # the Python part is there, and the library that it loads is not
            raise RefusedError("missing_extra") from error

        vendor = openslide.OpenSlide.detect_format(path)
        if vendor is None:
            raise RefusedError("no_slide")
        self.vendor = str(vendor)
        self._slide = openslide.OpenSlide(path)
        self.levels = [(rows, columns) for columns, rows in self._slide.level_dimensions]
        for rows, columns in self.levels:
            check_level(rows, columns, (min(rows, 1024), min(columns, 1024)))
        tell = self._slide.properties.get
        row, column = tell(openslide.PROPERTY_NAME_MPP_Y), tell(openslide.PROPERTY_NAME_MPP_X)
        self.microns = None if row is None or column is None else (float(row), float(column))
        self.associated = sorted(set(self._slide.associated_images) & {"label", "macro", "thumbnail"})

    def read(self, level: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """A part of a level over white, for what was not scanned is transparent."""
        # OpenSlide places parts in pixels of level 0; the middle of the pixel meant is far from the border to the next.
        (rows, columns), (tall, wide) = self.levels[0], self.levels[level]
        top, left = -(-corner[0] * rows // tall), -(-corner[1] * columns // wide)
        found = np.asarray(self._slide.read_region((left, top), level, (size[1], size[0])))
        return over_white(found)

    def read_associated(self, name: str) -> np.ndarray:
        return over_white(np.asarray(self._slide.associated_images[name].convert("RGBA")))

    def close(self) -> None:
        self._slide.close()


def over_white(pixels: np.ndarray) -> np.ndarray:
    """``(rows, columns, 4)`` uint8 with its opacity, laid over white: ``(rows, columns, 3)``."""
    if (pixels[..., 3] == 255).all():
        return pixels[..., :3]
    opacity = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
