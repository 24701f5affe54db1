"""Hetero-modal fusion: an answer from any subset of views."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from preceptor.core.plugins import Inputs, Nested
from preceptor.learn.views import ViewEncoders
from preceptor.maths.fusion import mean_and_variance


class HeMIS(nn.Module):
    """Each view is encoded alone; the mean and the variance over the views that are there make the answer.

    Input: ``images`` ``{view: (batch, channel, *space)}`` with ``present`` ``{view: (batch,)}``: any subset, one view
    included, another one for each case of the batch. Missing images are never looked at. Answer: ``(batch, width)``, or
    ``(batch, width, *space)`` where the encoder answers per voxel (`unet`). Training with views hidden at random
    (method `hide_views`) makes it as good on few views as it can be; without, one view alone fares worse.

    Args:
        inputs: The views.
        width: Numbers in the answer.
        encoder: The network that encodes a view.
        features: Numbers that describe a view.
        hidden: Numbers in the head's hidden layer.
        shared: One encoder for all views instead of one each.
        dropout: Share of hidden numbers dropped in training.

    Attributes:
        last_features: ``{view: module}`` of the last feature maps.
        head: The module that transfer learning begins anew.

    Returns:
        The answer.

    Raises:
        RecipeError: There is no such encoder.

    Source: Havaei 2016 (arXiv:1607.05194): mean and variance over available modalities; unbiased, 0 for one view.

    Example:
        >>> network = HeMIS(Inputs(("frontal", "lateral"), 1, 2, (28, 28)), width=2, encoder="cnn")
        >>> network({"frontal": torch.zeros(3, 1, 28, 28)}, {"frontal": torch.ones(3, dtype=torch.bool)}).shape
        torch.Size([3, 2])
    """

    head = "answer"

    def __init__(
        self,
        inputs: Inputs,
        width: int,
        encoder: Annotated[dict[str, Any] | str, Nested("networks")] = "resnet",
        features: Annotated[int, Ge(1)] = 64,
        hidden: Annotated[int, Ge(1)] = 64,
        shared: bool = False,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.width, self.encoder, self.features = inputs, width, encoder, features
        self.hidden, self.shared, self.dropout = hidden, shared, dropout
        self.views = ViewEncoders(inputs, encoder, features, shared)
        self.last_features = self.views.last_features("views")
        self.pooled = nn.Identity()  # the fused features, under the name other networks give theirs
        self.answer = nn.Sequential(
            nn.Linear(2 * features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )

    @classmethod
    def example(cls) -> HeMIS:
        return cls(
            Inputs(("frontal", "lateral"), 1, 2, (28, 28)), width=2, encoder={"cnn": {"channels": [4, 8]}}, features=8
        )

    def forward(self, images: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        features, there = self.views(images, present)
        fused = self.pooled(torch.cat(mean_and_variance(features, there), dim=1))
        return self.answer(fused.movedim(1, -1)).movedim(-1, 1)
