"""Kernel SHAP: Shapley values of patches, from many ways of covering them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.shapley import kernel_coalitions, kernel_shapley
from preceptor.prove.explaining.attributing import absent, covered_scores, only_present
from preceptor.prove.observing import undisturbed


class KernelShap:
    """Kernel SHAP: what each patch adds to the score, averaged over which other patches are seen.

    Patches form a grid over the image; those not seen are filled. A patch's value is spread evenly over its pixels, so
    the map adds up to the score of the image less that of the filled one; every view is a game of its own, the others
    staying as they are. Exact where `samples` covers every way of covering.

    Args:
        patch: Side of a patch in pixels; None takes a quarter of the longest side.
        samples: Ways of covering to ask for.
        fill: What covers a patch: the ``mean`` or ``minimum`` of that image and channel, or ``zero``.
        batch_size: Images per forward pass.
        seed: Of the draws.

    Returns:
        ``{view: (batch, *space)}`` in units of the score per pixel; NaN where a view is missing.

    Source: Lundberg & Lee 2017, "A Unified Approach to Interpreting Model Predictions", arXiv:1705.07874, section 4.1.

    Example:
        >>> KernelShap(patch=7).samples
        256
    """

    def __init__(
        self,
        patch: Annotated[int, Ge(1)] | None = None,
        samples: Annotated[int, Ge(2)] = 256,
        fill: Literal["mean", "minimum", "zero"] = "mean",
        batch_size: Annotated[int, Ge(1)] = 16,
        seed: int = 0,
    ) -> None:
        self.patch = patch
        self.samples = samples
        self.fill: Literal["mean", "minimum", "zero"] = fill
        self.batch_size = batch_size
        self.seed = seed

    @classmethod
    def example(cls) -> KernelShap:
        return cls(samples=16)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            maps = {view: self._map(model, batch, view, target) for view in batch.images}
        return only_present(maps, batch)

    def _map(self, model: Any, batch: Batch, view: str, target: Callable[..., Tensor]) -> Tensor:
        images = {name: image.detach() for name, image in batch.images.items()}
        image = images[view]
        blocks = _blocks(tuple(image.shape[2:]), self.patch).to(image.device)
        players = int(blocks.max()) + 1
        if not batch.present[view].any():
            return torch.zeros_like(image[:, 0])
        coalitions, weights = kernel_coalitions(max(players, 2), self.samples, np.random.default_rng(self.seed))
        asked = torch.from_numpy(np.concatenate([coalitions, [[False], [True]] * np.ones((1, max(players, 2)), bool)]))
        shown = (row.to(image)[blocks] for row in asked)
        scores = covered_scores(model, images, view, absent(image, self.fill), shown, target, self.batch_size)
        values = scores.double().cpu().numpy()
        if players == 1:
            found = (values[-1] - values[-2])[None]
        else:
            found = kernel_shapley(coalitions, weights, values[:-2], values[-2], values[-1])
        sizes = torch.bincount(blocks.flatten(), minlength=players).to(image)
        share = torch.from_numpy(found).to(image) / sizes[:, None]
        return share[blocks].movedim(-1, 0).contiguous()


def _blocks(shape: tuple[int, ...], patch: int | None) -> Tensor:
    """``(*space,)`` which patch each pixel lies in."""
    side = patch or max(1, -(-max(shape) // 4))
    counts = [-(-size // side) for size in shape]
    number = {place: index for index, place in enumerate(product(*(range(count) for count in counts)))}
    grids = torch.meshgrid(*(torch.arange(size) // side for size in shape), indexing="ij")
    index = torch.zeros(shape, dtype=torch.long)
    for grid, count in zip(grids, counts, strict=True):
        index = index * count + grid
    assert int(index.max()) + 1 == len(number)
    return index
