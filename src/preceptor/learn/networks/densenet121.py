"""DenseNet with 121 layers, in two and three dimensions."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from preceptor.core.plugins import Inputs
from preceptor.learn.layers import convolution, global_mean_pool, max_pool, mean_pool, normalisation

_BLOCKS = (6, 12, 24, 16)
_GROWTH, _STEM, _BOTTLENECK = 32, 64, 4


class DenseNet121(nn.Module):
    """One answer per image: each layer sees the features of all layers before it.

    Input: ``(batch, channel, *space)``, sides of 32 or more. Answer: ``(batch, width)``. Parameters are named and
    counted as in the common implementation (7,978,856 with 3 channels and 1,000 answers), so published weights fit.

    Args:
        inputs: What it is fed.
        width: Numbers in the answer.
        dropout: Share of channels dropped after each dense layer, and of features before the answer, in training.

    Attributes:
        last_features: The module of the last feature map.
        head: The module that transfer learning begins anew.

    Returns:
        ``(batch, width)``.

    Raises:
        RuntimeError: A side is less than 32, so that nothing is left to pool.

    Source: Huang 2017 (arXiv:1608.06993), table 1, with bottlenecks and compression 0.5; growth rate 32.

    Example:
        >>> DenseNet121(Inputs(("image",), 1, 2, (32, 32)), width=2)(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 2])
    """

    last_features = "features"
    head = "classifier"

    def __init__(self, inputs: Inputs, width: int, dropout: Annotated[float, Ge(0), Lt(1)] = 0.0) -> None:
        super().__init__()
        self.inputs, self.width, self.dropout = inputs, width, dropout
        dims = inputs.space_dims
        conv = convolution(dims)
        features = nn.Sequential()
        features.add_module("conv0", conv(inputs.channels, _STEM, 7, 2, padding=3, bias=False))
        features.add_module("norm0", normalisation("batch", _STEM, dims))
        features.add_module("relu0", nn.ReLU())
        features.add_module("pool0", max_pool(dims, 3, 2, padding=1))
        channels = _STEM
        for index, layers in enumerate(_BLOCKS, start=1):
            features.add_module(f"denseblock{index}", _DenseBlock(dims, channels, layers, dropout))
            channels += layers * _GROWTH
            if index < len(_BLOCKS):
                transition = nn.Sequential()
                transition.add_module("norm", normalisation("batch", channels, dims))
                transition.add_module("relu", nn.ReLU())
                transition.add_module("conv", conv(channels, channels // 2, 1, bias=False))
                transition.add_module("pool", mean_pool(dims, 2))
                features.add_module(f"transition{index}", transition)
                channels //= 2
        features.add_module("norm5", normalisation("batch", channels, dims))
        features.add_module("relu5", nn.ReLU())
        self.features = features
        self.pooled = nn.Sequential(global_mean_pool(dims), nn.Flatten())
        self.drop = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, width)
        for module in self.modules():
            if isinstance(module, conv):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    @classmethod
    def example(cls) -> DenseNet121:
        return cls(Inputs(("image",), 1, 2, (32, 32)), width=2)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.drop(self.pooled(self.features(image))))


class _DenseBlock(nn.Module):
    """Layers that each add their features to all those before."""

    def __init__(self, dims: int, channels: int, layers: int, dropout: float) -> None:
        super().__init__()
        for index in range(layers):
            self.add_module(f"denselayer{index + 1}", _DenseLayer(dims, channels + index * _GROWTH, dropout))

    def forward(self, image: Tensor) -> Tensor:
        for layer in self.children():
            image = torch.cat([image, layer(image)], dim=1)
        return image


class _DenseLayer(nn.Module):
    """A 1-wide convolution to few channels, then a 3-wide one to the new features."""

    def __init__(self, dims: int, entering: int, dropout: float) -> None:
        super().__init__()
        inner = _BOTTLENECK * _GROWTH
        self.norm1 = normalisation("batch", entering, dims)
        self.relu1 = nn.ReLU()
        self.conv1 = convolution(dims)(entering, inner, 1, bias=False)
        self.norm2 = normalisation("batch", inner, dims)
        self.relu2 = nn.ReLU()
        self.conv2 = convolution(dims)(inner, _GROWTH, 3, padding=1, bias=False)
        self.drop = nn.Dropout(dropout) if dropout > 0 else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        inner = self.conv1(self.relu1(self.norm1(image)))
        return self.drop(self.conv2(self.relu2(self.norm2(inner))))
