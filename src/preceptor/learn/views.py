"""An encoder for each view of a case, fed with the views that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from preceptor.core.plugins import Inputs
from preceptor.core.slots import build


class ViewEncoders(nn.Module):
    """Any single-view network as an encoder, once for each view.

    In training an encoder sees only the cases that have its view, so what is missing pollutes no batch statistics. In
    evaluation, where statistics are fixed, it sees the whole batch with missing images replaced by zeros, and their
    features are left out later: layers then answer for every case, as explainers need.

    Args:
        inputs: All views.
        encoder: A network as in a recipe; it is made with one view and `features` outputs.
        features: Numbers (or channels, for an encoder with an answer per voxel) that each view is described by.
        shared: One encoder for all views instead of one each.
    """

    def __init__(self, inputs: Inputs, encoder: str | Mapping[str, Any], features: int, shared: bool = False) -> None:
        super().__init__()
        self.names = inputs.views
        kinds = inputs.views[:1] if shared else inputs.views
        self.encoders = nn.ModuleList(
            build("networks", encoder, inputs=replace(inputs, views=(view,)), width=features) for view in kinds
        )

    def last_features(self, prefix: str) -> str | dict[str, str]:
        """What Grad-CAM reads by default: ``{view: name of the module}``, or one name where the encoder is shared."""
        named = {}
        for index, view in enumerate(self.names[: len(self.encoders)]):
            inner = getattr(self.encoders[index], "last_features", None)
            if isinstance(inner, str):
                named[view] = f"{prefix}.encoders.{index}.{inner}"
        return named[self.names[0]] if len(named) == 1 else named

    def forward(self, images: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Encode what is there.

        Args:
            images: ``{view: (batch, channel, *space)}``; a view may be absent altogether.
            present: ``{view: (batch,)}`` boolean.

        Returns:
            ``(view, batch, features, *space)`` with zeros for missing views, and ``(view, batch)`` which are there.
        """
        like = next(iter(images.values()))
        nobody = torch.zeros(like.shape[0], dtype=torch.bool, device=like.device)
        mask = torch.stack([present[view].bool() if view in images else nobody for view in self.names])
        encoded = [self._encode(index, images.get(view), mask[index]) for index, view in enumerate(self.names)]
        known = next((each for each in encoded if each is not None), None)
        if known is None:  # a batch without any view: its features are those of nothing, and count for nothing
            known = torch.zeros_like(_answer(self.encoders[0](torch.zeros_like(like))))
        return torch.stack([torch.zeros_like(known) if each is None else each for each in encoded]), mask

    def _encode(self, index: int, image: Tensor | None, there: Tensor) -> Tensor | None:
        if image is None:
            return None
        encoder = self.encoders[min(index, len(self.encoders) - 1)]
        if not torch.compiler.is_compiling():  # what follows looks at the values, which an exported graph can't
            if not there.any():
                return None
            if there.all():
                return _answer(encoder(image))
            if self.training:
                seen = _answer(encoder(image[there]))
                return seen.new_zeros(len(there), *seen.shape[1:]).index_put((there.nonzero()[:, 0],), seen)
        mask = there.view(-1, *[1] * (image.ndim - 1))
        seen = _answer(encoder(torch.where(mask, image, 0.0)))
        return torch.where(there.view(-1, *[1] * (seen.ndim - 1)), seen, 0.0)


def _answer(output: Tensor | Mapping[str, Tensor]) -> Tensor:
    return output if isinstance(output, Tensor) else output["answer"]
