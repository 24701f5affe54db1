"""An encoder for each view, one joint answer, and an auxiliary answer from each view alone."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Inputs, Nested
from preceptor.learn.views import ViewEncoders
from preceptor.maths.fusion import concatenated


class DualNet(nn.Module):
    """Frontal and lateral (or any views) are encoded apart, laid side by side, and answered together.

    Input: ``images`` ``{view: (batch, channel, *space)}`` with ``present`` ``{view: (batch,)}``. A learnt vector stands
    for a view that is missing. Besides ``answer`` there is an output named like each view, made from that view alone:
    the method `auxiliary_outputs` adds their losses where the view is there; without it they learn nothing.

    Args:
        inputs: The views, two or more.
        width: Numbers in each answer.
        encoder: The network that encodes a view.
        features: Numbers that describe a view.
        shared: One encoder for all views instead of one each.
        dropout: Share of features dropped before the answers in training.

    Attributes:
        last_features: ``{view: module}`` of the last feature maps.
        head: The module that transfer learning begins anew.

    Returns:
        ``{"answer": (batch, width), view: (batch, width) ...}``. A view's own answer means nothing where it is missing.

    Raises:
        RecipeError: There is one view only, or a view is called "answer".

    Source: Rubin 2018 (arXiv:1804.07839); auxiliary losses: Hashir 2020 (arXiv:2002.02582).

    Example:
        >>> network = DualNet(Inputs(("frontal", "lateral"), 1, 2, (28, 28)), width=2, encoder="cnn")
        >>> image, there = torch.zeros(3, 1, 28, 28), torch.ones(3, dtype=torch.bool)
        >>> sorted(network({"frontal": image}, {"frontal": there}))
        ['answer', 'frontal', 'lateral']
    """

    head = "heads"

    def __init__(
        self,
        inputs: Inputs,
        width: int,
        encoder: Annotated[dict[str, Any] | str, Nested("networks")] = "resnet",
        features: Annotated[int, Ge(1)] = 64,
        shared: bool = False,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.views) < 2 or "answer" in inputs.views:
            raise RecipeError(
                f"dual_net can't take the views {', '.join(inputs.views)}",
                where="network",
                expected="two or more views, none of them called 'answer'",
                remedy="take the encoder itself as the network for one view",
                code="dual_net_views",
            )
        self.inputs, self.width, self.encoder, self.features = inputs, width, encoder, features
        self.shared, self.dropout = shared, dropout
        number = len(inputs.views)
        self.views = ViewEncoders(inputs, encoder, features, shared)
        self.last_features = self.views.last_features("views")
        self.absent = nn.Parameter(torch.zeros(number, features))
        self.pooled = nn.Identity()  # the joint features, under the name other networks give theirs
        self.drop = nn.Dropout(dropout)
        joint = nn.Linear(number * features, width)
        self.heads = nn.ModuleList([joint, *(nn.Linear(features, width) for _ in range(number))])

    @classmethod
    def example(cls) -> DualNet:
        inputs = Inputs(("frontal", "lateral"), 1, 2, (28, 28))
        return cls(inputs, width=2, encoder={"cnn": {"channels": [4, 8]}}, features=8)

    def forward(self, images: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        features, there = self.views(images, present)
        joint = self.pooled(concatenated(features, there, self.absent))
        outputs = {"answer": self.heads[0](self.drop(joint))}
        for view, own, head in zip(self.inputs.views, features, self.heads[1:], strict=True):
            outputs[view] = head(self.drop(own))
        return outputs
