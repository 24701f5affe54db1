"""RISE: what the score is when a pixel happens to be seen, over many random covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor
from torch.nn import functional

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import absent, covered_scores, only_present
from preceptor.prove.observing import undisturbed

_RESIZING = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Rise:
    """RISE: the mean score over random soft covers that show a pixel, less the mean score over all covers.

    Needs nothing of the network but its answers. The coarser the cells, the fewer covers are needed, and the blurrier
    the map.

    Args:
        covers: Random covers for each view.
        cells: Cells along the longest side of a cover before it is drawn smooth; shorter sides get cells of that size.
        shown: Chance that a cell is seen.
        fill: What is behind the cover: the ``mean`` or ``minimum`` of that image and channel, or ``zero``.
        batch_size: Images per forward pass.
        seed: Of the covers.

    Returns:
        ``{view: (batch, *space)}`` in units of the score; NaN where a view is missing.

    Source: Petsiuk et al. 2018, "RISE", arXiv:1806.07421, equation 6; centred on the mean over covers, and divided by
        how often a pixel was really seen.

    Example:
        >>> Rise(covers=500).covers
        500
    """

    def __init__(
        self,
        covers: Annotated[int, Ge(2)] = 256,
        cells: Annotated[int, Ge(1)] = 7,
        shown: Annotated[float, Gt(0), Lt(1)] = 0.5,
        fill: Literal["mean", "minimum", "zero"] = "mean",
        batch_size: Annotated[int, Ge(1)] = 16,
        seed: int = 0,
    ) -> None:
        self.covers = covers
        self.cells = cells
        self.shown = shown
        self.fill: Literal["mean", "minimum", "zero"] = fill
        self.batch_size = batch_size
        self.seed = seed

    @classmethod
    def example(cls) -> Rise:
        return cls(covers=16)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            images = {view: image.detach() for view, image in batch.images.items()}
            maps = {}
            for view, image in images.items():
                maps[view] = torch.zeros_like(image[:, 0])
                if batch.present[view].any():
                    covers = torch.stack(self._covers(tuple(image.shape[2:]))).to(image)
                    scores = covered_scores(
                        model, images, view, absent(image, self.fill), covers, target, self.batch_size
                    )
                    seen = torch.einsum("cb,c...->b...", scores - scores.mean(0), covers)
                    maps[view] = seen / covers.sum(0).clamp(min=1e-6)
        return only_present(maps, batch)

    def _covers(self, shape: tuple[int, ...]) -> list[Tensor]:
        """Random cells, drawn smooth and shifted by a part of a cell."""
        drawn = torch.Generator().manual_seed(self.seed)
        side = max(1, -(-max(shape) // self.cells))
        cells = [-(-size // side) for size in shape]
        covers = []
        for _ in range(self.covers):
            coarse = (torch.rand([count + 1 for count in cells], generator=drawn) < self.shown).float()
            fine = functional.interpolate(
                coarse[None, None],
                size=[(count + 1) * side for count in cells],
                mode=_RESIZING[len(shape)],
                align_corners=False,
            )[0, 0]
            for axis, size in enumerate(shape):
                start = int(torch.randint(0, side, (1,), generator=drawn))
                fine = fine.narrow(axis, start, size)
            covers.append(fine)
        return covers
