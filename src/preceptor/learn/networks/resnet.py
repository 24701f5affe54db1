"""Residual networks in two and three dimensions."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Lt
from torch import Tensor, nn

from preceptor.core.plugins import Inputs
from preceptor.learn.layers import Norm, convolution, global_mean_pool, max_pool, normalisation

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4, 152: 4}


class ResNet(nn.Module):
    """One answer per image: each block adds what it found to what came in.

    Input: ``(batch, channel, *space)``. Answer: ``(batch, width)``. Parameters are named and counted as in the common
    implementation (11,689,512 for 18 layers, 3 channels and 1,000 answers), so published weights fit.

    Args:
        inputs: What it is fed.
        width: Numbers in the answer.
        layers: 18 and 34 have two convolutions a block, 50 and more have three.
        stem: "large" begins with a 7-wide convolution and pooling, both halving the image; "small" (images of less than
            about 64 pixels) with a 3-wide convolution alone.
        norm: Normalisation after each convolution. "group" or "instance" do not mind small batches.
        dropout: Share of features dropped before the answer in training.

    Attributes:
        last_features: The module of the last feature map.
        head: The module that transfer learning begins anew.

    Returns:
        ``(batch, width)``.

    Raises:
        KeyError: `layers` is none of the above.

    Source: He 2016 (arXiv:1512.03385), table 1; the stride of a three-convolution block is in its middle one.

    Example:
        >>> import torch
        >>> ResNet(Inputs(("image",), 1, 2, (64, 64)), width=2)(torch.zeros(1, 1, 64, 64)).shape
        torch.Size([1, 2])
    """

    last_features = "layer4"
    head = "fc"

    def __init__(
        self,
        inputs: Inputs,
        width: int,
        layers: Literal[18, 34, 50, 101, 152] = 18,
        stem: Literal["large", "small"] = "large",
        norm: Literal["batch", "group", "instance"] = "batch",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.width, self.layers = inputs, width, layers
        self.stem, self.norm, self.dropout = stem, norm, dropout
        dims, expansion = inputs.space_dims, _EXPANSION[layers]
        wide, step = (7, 2) if stem == "large" else (3, 1)
        self.conv1 = convolution(dims)(inputs.channels, 64, wide, step, padding=wide // 2, bias=False)
        self.bn1 = normalisation(norm, 64, dims)
        self.relu = nn.ReLU()
        self.maxpool = max_pool(dims, 3, 2, padding=1) if stem == "large" else nn.Identity()

        entering, stages = 64, []
        for stage, number in enumerate(_BLOCKS[layers]):
            inner = 64 * 2**stage
            blocks = []
            for index in range(number):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(_Block(dims, entering, inner, inner * expansion, stride, norm, three=expansion == 4))
                entering = inner * expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

        self.pooled = nn.Sequential(global_mean_pool(dims), nn.Flatten())
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(entering, width)
        for module in self.modules():
            if isinstance(module, convolution(dims)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def example(cls) -> ResNet:
        return cls(Inputs(("image",), 1, 2, (32, 32)), width=2, stem="small")

    def forward(self, image: Tensor) -> Tensor:
        image = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        image = self.layer4(self.layer3(self.layer2(self.layer1(image))))
        return self.fc(self.drop(self.pooled(image)))


class _Block(nn.Module):
    """Two 3-wide convolutions, or one between two 1-wide ones, added to what came in."""

    def __init__(
        self, dims: int, entering: int, inner: int, leaving: int, stride: int, norm: Norm, three: bool
    ) -> None:
        super().__init__()
        conv = convolution(dims)
        self.relu = nn.ReLU()
        if three:
            self.conv1 = conv(entering, inner, 1, bias=False)
            self.conv2 = conv(inner, inner, 3, stride, padding=1, bias=False)
            self.conv3 = conv(inner, leaving, 1, bias=False)
        else:
            self.conv1 = conv(entering, inner, 3, stride, padding=1, bias=False)
            self.conv2 = conv(inner, leaving, 3, padding=1, bias=False)
        self.bn1, self.bn2 = normalisation(norm, inner, dims), normalisation(norm, inner if three else leaving, dims)
        if three:
            self.bn3 = normalisation(norm, leaving, dims)
        self.three = three
        self.downsample: nn.Module | None = None
        if stride > 1 or entering != leaving:
            self.downsample = nn.Sequential(
                conv(entering, leaving, 1, stride, bias=False), normalisation(norm, leaving, dims)
            )

    def forward(self, image: Tensor) -> Tensor:
        result = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(image)))))
        if self.three:
            result = self.bn3(self.conv3(self.relu(result)))
        return self.relu(result + (image if self.downsample is None else self.downsample(image)))
