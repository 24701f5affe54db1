"""A small plain convolutional network for small images."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt, MinLen
from torch import Tensor, nn

from preceptor.core.plugins import Inputs
from preceptor.learn.layers import convolution, global_mean_pool, max_pool, normalisation


class CNN(nn.Module):
    """One answer per image from a few levels of convolutions: quick to train on images of 28 pixels and on phantoms.

    Input: ``(batch, channel, *space)`` of any size. Answer: ``(batch, width)``.

    Args:
        inputs: What it is fed.
        width: Numbers in the answer.
        channels: Channels of each level; every further one halves the resolution, an odd last row included.
        convolutions: 3-wide convolutions on a level.
        norm: Normalisation after each convolution.
        dropout: Share of features dropped before the answer in training.

    Attributes:
        last_features: The module of the last feature map.
        head: The module that transfer learning begins anew.

    Returns:
        ``(batch, width)``.

    Raises:
        IndexError: `channels` is empty.

    Source: plain stacks of 3-wide convolutions as in Simonyan 2015 (arXiv:1409.1556), with normalisation and a mean
        over space in place of the large linear layers.

    Example:
        >>> import torch
        >>> CNN(Inputs(("image",), 1, 2, (28, 28)), width=2)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 2])
    """

    last_features = "features"
    head = "answer"

    def __init__(
        self,
        inputs: Inputs,
        width: int,
        channels: Annotated[list[int], MinLen(1)] = [16, 32, 64],  # noqa: B006  read, never changed
        convolutions: Annotated[int, Ge(1), Le(4)] = 2,
        norm: Literal["batch", "group", "instance", "none"] = "batch",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.width, self.channels = inputs, width, channels
        self.convolutions, self.norm, self.dropout = convolutions, norm, dropout
        dims, entering = inputs.space_dims, inputs.channels
        layers: list[nn.Module] = []
        for level, leaving in enumerate(channels):
            if level:
                layers.append(max_pool(dims, 2, 2, whole=False))
            for _ in range(convolutions):
                layers.append(convolution(dims)(entering, leaving, 3, padding=1, bias=norm == "none"))
                layers += [normalisation(norm, leaving, dims), nn.ReLU()]
                entering = leaving
        self.features = nn.Sequential(*layers)
        self.pooled = nn.Sequential(global_mean_pool(dims), nn.Flatten())
        self.drop = nn.Dropout(dropout)
        self.answer = nn.Linear(channels[-1], width)

    @classmethod
    def example(cls) -> CNN:
        return cls(Inputs(("image",), 1, 2, (28, 28)), width=2, channels=[4, 8])

    def forward(self, image: Tensor) -> Tensor:
        return self.answer(self.drop(self.pooled(self.features(image))))
