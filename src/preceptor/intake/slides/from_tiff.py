"""Slides in TIFF: Aperio, OME and generic pyramids, by tiffslide and tifffile."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np

from .bounds import RefusedError, check_level

#: What tiffslide reads whole. Its reading of others is partial, by its own account; OpenSlide reads those.
_READ_WHOLE = ("aperio", "generic-tiff")
_NAMES = ("label", "macro", "thumbnail")
_OME_SIZE = re.compile(r'PhysicalSize([XY])="([0-9.eE+-]{1,30})"')
_OME_UNIT = re.compile(r'PhysicalSize([XY])Unit="([^"]{1,8})"')
_MICRONS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4}


class TiledTiff:
    """A TIFF as a slide.

    Args:
        path: The file. It is opened here and handed on as a stream, so that no part of its name means a place elsewhere.

    Attributes:
        is_read_whole: False where the format is one that OpenSlide reads better.
    """

    reader = "tiffslide"

    def __init__(self, path: Path) -> None:
        from tiffslide import TiffSlide

        logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
        self._file = path.open("rb")
        self._slide = TiffSlide(self._file)
        tiff: Any = self._slide.ts_tifffile
        self.vendor = self._vendor(tiff)
        self.is_read_whole = self.vendor in _READ_WHOLE
        self.levels: list[tuple[int, int]] = []
        self.microns: tuple[float, float] | None = None
        self.associated: list[str] = []
        if self.is_read_whole:
            self._describe(tiff)

    def _vendor(self, tiff: Any) -> str:
        known = {"svs": "aperio", "scn": "leica", "bif": "ventana", "ndpi": "hamamatsu", "philips": "philips"}
        return next((vendor for name, vendor in known.items() if getattr(tiff, f"is_{name}")), "generic-tiff")

    def _describe(self, tiff: Any) -> None:
        self._check_pages(tiff)
        series = tiff.series[0]
        if series.axes not in ("YX", "YXS", "SYX", "CYX"):
            raise RefusedError("no_slide")
        self._pages = [level.keyframe for level in series.levels]
        self._axes = series.axes
        for page in self._pages:
            if page.dtype != np.uint8 or page.samplesperpixel not in (1, 3):
                raise RefusedError("not_colour")
            self.levels.append((page.imagelength, page.imagewidth))
        properties = self._slide.properties
        self.microns = self._microns(tiff, properties)
        self._others = {each.name.lower(): each for each in tiff.series[1:] if each.name.lower() in _NAMES}
        self.associated = sorted(self._others)
        self._empty = [any(count == 0 for count in page.databytecounts) for page in self._pages]

    @staticmethod
    def _check_pages(tiff: Any) -> None:
        """Every page's claims, before series are made of them."""
        for page in tiff.pages:
            is_tiled = bool(page.tilewidth and page.tilelength)
            tile = (
                (page.tilelength, page.tilewidth)
                if is_tiled
                else (min(page.rowsperstrip or page.imagelength, page.imagelength), page.imagewidth)
            )
            check_level(page.imagelength, page.imagewidth, tile)

    def _microns(self, tiff: Any, properties: dict[str, Any]) -> tuple[float, float] | None:
        if tiff.is_ome and tiff.ome_metadata:
            head = tiff.ome_metadata[:100_000]
            sizes = dict(_OME_SIZE.findall(head))
            units = dict(_OME_UNIT.findall(head))
            if {"X", "Y"} <= set(sizes) and all(units.get(axis, "µm") in _MICRONS for axis in "XY"):
                named = [float(sizes[axis]) * _MICRONS[units.get(axis, "µm")] for axis in "YX"]
                return named[0], named[1]
        row, column = properties.get("tiffslide.mpp-y"), properties.get("tiffslide.mpp-x")
        return None if row is None or column is None else (float(row), float(column))

    def read(self, level: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """A part of a level; tiles that are not stored (of length 0) are white, as their writers mean them."""
        group: Any = self._slide.zarr_group
        array = group[str(level)] if len(self.levels) > 1 or "0" in group else group
        (top, left), (rows, columns) = corner, size
        where = slice(top, top + rows), slice(left, left + columns)
        pixels = np.asarray(array[(slice(None), *where)] if self._axes in ("CYX", "SYX") else array[where])
        pixels = np.moveaxis(pixels, 0, -1) if self._axes in ("CYX", "SYX") else pixels
        return self._with_white(level, top, left, pixels) if self._empty[level] else pixels

    def _with_white(self, level: int, top: int, left: int, pixels: np.ndarray) -> np.ndarray:
        page = self._pages[level]
        tall = page.tilelength or page.rowsperstrip
        wide = page.tilewidth or page.imagewidth
        across = -(-page.imagewidth // wide)
        pixels = pixels.copy()
        for row in range(top // tall, -(-(top + pixels.shape[0]) // tall)):
            for column in range(left // wide, -(-(left + pixels.shape[1]) // wide)):
                if page.databytecounts[row * across + column] == 0:
                    first, start = max(row * tall - top, 0), max(column * wide - left, 0)
                    pixels[first : (row + 1) * tall - top, start : (column + 1) * wide - left] = 255
        return pixels

    def read_associated(self, name: str) -> np.ndarray:
        return np.asarray(self._others[name].asarray(maxworkers=1))

    def close(self) -> None:
        self._slide.close()
        self._file.close()
