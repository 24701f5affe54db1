"""Whole slides, each cut into tiles."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError, PrepareError
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Dataset, Nested
from preceptor.core.slots import build
from preceptor.intake.annotations.tile_masks import tile_mask_source
from preceptor.intake.slides.slide import Slide, open_slide
from preceptor.intake.slides.tile_source import tile_source
from preceptor.intake.slides.tiles import Plan, Tiling, plan_tiles
from preceptor.intake.slides.tissue import find_tissue


class Slides:
    """Whole slides, each cut into tiles of one physical size: a tile is a case, with its slide's labels.

    All tiles of a patient stay together in a split, and where no patient is named all tiles of a slide. Unlike other data sets
    this one reads pixels, of a coarse level: where the tissue is decides which tiles there are. A slide on which none is found,
    whose microns are not known, or that can't be read is left out and counted.

    Args:
        of: The data set that finds the slides, a case each: ``{table: {file: slides.csv, image: slide, patient: patient, labels:
            [tumour]}}``, or ``{folder: {image: "*/*.svs", class_from: folder}}``.
        tile_um: Microns along each side of a tile.
        microns_per_pixel: Of the tiles, whatever the slides' are. 0.25 is what 40x shows, 0.5 is 20x, 1 is 10x.
        overlap: Share of a tile's side that it shares with the next.
        least_tissue: Share of a tile that is tissue, at least.
        most_tiles: Of one slide; where there are more, so many are taken, evenly spread. None for all.
        tissue_by: ``grey`` counts what is darker as tissue, ``saturation`` what is more coloured.
        outlines: ``{label: value}`` of what was outlined on the slides, in the order it is painted, for a mask ``label`` of each
            tile. The field ``annotation`` of a slide names its file (ASAP's XML, GeoJSON), seen as its image is; a slide without
            one has no mask.
        slide_microns: Microns per pixel of the slides' finest level, where the files do not say or say something wrong: a
            number for all, or the field of the slides that tells it, blank where the file is right.

    Returns (``cases``): One `Case` a tile, slide by slide and row by row. Its fields are the slide's, and ``slide`` (its key),
    ``tile_row`` and ``tile_column`` (pixels of level 0) and ``tissue`` (share).

    Raises:
        CohortError: The slides are absent, a slide has several images, or none gives a tile.
        MissingExtra: ``preceptor[pathology]`` is not installed.

    Source: tissue by Otsu 1979 as in `preceptor.intake.slides.tissue`; the rest own.

    Example:
        >>> [sorted(case.labels.items()) for case in Slides.example().cases()]
        [[('label', 'glass_and_tissue')], [('label', 'glass_and_tissue')]]
    """

    def __init__(
        self,
        of: Annotated[dict[str, Any] | str, Nested("datasets")],
        tile_um: Annotated[float, Gt(0)] = 256.0,
        microns_per_pixel: Annotated[float, Gt(0)] = 0.5,
        overlap: Annotated[float, Ge(0), Lt(1)] = 0.0,
        least_tissue: Annotated[float, Ge(0), Le(1)] = 0.5,
        most_tiles: Annotated[int, Ge(1)] | None = None,
        tissue_by: Literal["grey", "saturation"] = "grey",
        outlines: dict[str, Annotated[int, Ge(0), Le(255)]] | None = None,
        slide_microns: Annotated[float, Gt(0)] | str | None = None,
        root: Path = Path(),
    ) -> None:
        self.of = of
        self.tile_um = tile_um
        self.microns_per_pixel = microns_per_pixel
        self.overlap = overlap
        self.least_tissue = least_tissue
        self.most_tiles = most_tiles
        self.tissue_by: Literal["grey", "saturation"] = tissue_by
        self.outlines = outlines
        self.slide_microns = slide_microns
        self.root = Path(root)
        self._dataset: Dataset = build("datasets", of, root=self.root)
        self._tiling = Tiling(tile_um, microns_per_pixel, overlap, least_tissue)
        self._plans: dict[str, Plan | str] = {}  # finding the tissue takes seconds a slide
        self._kept: tempfile.TemporaryDirectory[str] | None = None  # an example's files
        self.notes: list[str] = []
        self.exclusions: list[tuple[str, int]] = []

    @classmethod
    def example(cls) -> Slides:
        import tifffile

        kept = tempfile.TemporaryDirectory()  # goes when the instance does
        folder = Path(kept.name) / "glass_and_tissue"
        folder.mkdir()
        pixels = np.full((128, 128, 3), 244, np.uint8)
        pixels[:64] = 186, 92, 150
        per_cm = (1e4 / 0.5, 1e4 / 0.5)
        tifffile.imwrite(
            folder / "a.tif", pixels, tile=(64, 64), photometric="rgb", resolution=per_cm, resolutionunit="CENTIMETER"
        )
        slides = {"folder": {"image": "*/*.tif", "class_from": "folder"}}
        made = cls(of=slides, tile_um=32, microns_per_pixel=0.5, root=Path(kept.name))
        made._kept = kept
        return made

    @property
    def cohort_root(self) -> Path:
        return self._dataset.cohort_root

    def cases(self) -> Iterator[Case]:
        left: dict[str, int] = {}
        given, taken, slides = 0, 0, 0
        for slide in self._dataset.cases():
            plan = self._plan(slide)
            masks = self._masks(slide, plan)
            if isinstance(plan, str):
                left[plan] = left.get(plan, 0) + 1
                continue
            chosen = self._chosen(len(plan))
            given, taken, slides = given + len(plan), taken + len(chosen), slides + 1
            yield from (self._tile(slide, plan, int(number), masks) for number in chosen)
        self.exclusions = [*getattr(self._dataset, "exclusions", ()), *left.items()]
        size = f"{taken} tiles of {self.tile_um:g} um from {slides} slides, in pixels of {self.microns_per_pixel:g} um"
        more = f"; {given - taken} more have tissue and are not used" if given > taken else ""
        self.notes = [*getattr(self._dataset, "notes", ()), size + more]

    def _plan(self, slide: Case) -> Plan | str:
        """The tiles of a slide, or why it is left out."""
        if slide.key not in self._plans:
            if len(slide.images) != 1:
                raise CohortError(
                    f"the slide {slide.key} has {len(slide.images)} images",
                    where="cohort.slides",
                    expected="one image a case: the slide",
                    remedy="name each slide as a case of its own; the patient keeps them together",
                    code="slide_images",
                )
            source = next(iter(slide.images.values()))
            try:
                with open_slide(self.cohort_root / source, self._microns(slide)) as opened:
                    plan = plan_tiles(opened, self._tiling, find_tissue(opened, self.tissue_by))
                    self._plans[slide.key] = plan if len(plan) else "slides without a tile of enough tissue"
            except PrepareError as error:
                self._plans[slide.key] = f"slides that can't be used ({error.problem.code})"
        return self._plans[slide.key]

    def _microns(self, slide: Case) -> float | None:
        """What is given for a slide."""
        if not isinstance(self.slide_microns, str):
            return self.slide_microns
        told = slide.fields.get(self.slide_microns)
        try:
            return None if is_missing(told) or told == "" else float(str(told))
        except ValueError as error:
            raise CohortError(
                f"the field {self.slide_microns} of the slide {slide.key} is no number",
                where="cohort.slides",
                expected="microns per pixel, or blank where the file is right",
                code="slide_microns",
            ) from error

    def _chosen(self, number: int) -> np.ndarray:
        most = number if self.most_tiles is None else min(self.most_tiles, number)
        return np.linspace(0, number - 1, most).round().astype(int) if most > 1 else np.arange(most)

    def _masks(self, slide: Case, plan: Plan | str) -> Callable[[tuple[int, int]], dict[str, str]]:
        """Where the mask of a tile lies, by its corner."""
        outlines = slide.fields.get("annotation")
        if self.outlines is None or is_missing(outlines) or isinstance(plan, str):
            return lambda corner: {}
        with open_slide(self.cohort_root / next(iter(slide.images.values())), self._microns(slide)) as opened:
            return partial(self._mask, str(outlines), opened)

    def _mask(self, outlines: str, slide: Slide, corner: tuple[int, int]) -> dict[str, str]:
        return {"label": tile_mask_source(outlines, slide, corner, self._tiling, self.outlines or {})}

    def _tile(self, slide: Case, plan: Plan, number: int, masks: Callable[[tuple[int, int]], dict[str, str]]) -> Case:
        row, column = (int(each) for each in plan.corners[number])
        view, source = next(iter(slide.images.items()))
        place = {"tile_row": row, "tile_column": column, "tissue": round(float(plan.tissue[number]), 4)}
        return replace(
            slide,
            key=f"{slide.key}-r{row}c{column}",
            images={view: tile_source(source, (row, column), self._tiling, self._microns(slide))},
            masks=masks((row, column)),
            group=slide.group or (slide.key if slide.patient is None else None),
            fields={**slide.fields, "slide": slide.key, **place},
        )
