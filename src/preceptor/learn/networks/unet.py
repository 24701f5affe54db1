"""U-Net in two and three dimensions."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, Lt, MinLen
from torch import Tensor, nn

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Inputs
from preceptor.learn.layers import (
    channel_dropout,
    convolution,
    folded,
    max_pool,
    normalisation,
    transposed_convolution,
    unfolded,
)
from preceptor.maths.unet_sizes import poolings_by_axis, valid_input_side, valid_output_side


class UNet(nn.Module):
    """An answer per voxel: down to a coarse view of the whole, up again with the details handed across.

    Input: ``(batch, channel, *space)`` of any size. Answer: ``(batch, width, *space)``. Axes are halved the longest
    first, so thick slices are neither pooled nor convolved across before the others have come down to their number.

    Args:
        inputs: What it is fed.
        width: Channels of the answer.
        channels: Channels of each level, from full resolution down; each further one halves the resolution.
        convolutions: Convolutions on a level.
        residual: Add each level's input to its output (through a 1-wide convolution where channels differ).
        norm: Normalisation after each convolution; "none" gives the convolutions a bias instead.
        down: Halve by the stride of the next convolution, or by max-pooling.
        dropout: Share of channels dropped after each level in training.
        deep_supervision: In training, also answer on coarser grids: outputs ``deep_1`` (half the resolution),
            ``deep_2`` …, to be weighed by the method `auxiliary_outputs`.
        padding: "same" pads convolutions with zeros. "valid" pads nothing: the image is mirrored at its border as far
            as the answer needs, so the answer has the image's size all the same.
        fold: Side of the blocks of voxels that enter as channels and leave as voxels again: 2 works on an eighth of a
            volume's voxels, for the time of a small network and little less detail.

    Attributes:
        divisor: Sides that are multiples of this need no padding; others are padded inside and cropped again.
        last_features: The module of the coarsest level.
        head: The modules that transfer learning begins anew.

    Returns:
        The answer; with deep supervision in training ``{"answer": ..., "deep_1": ..., ...}``.

    Raises:
        RecipeError: The patch is too small for so many levels, or deep supervision is asked of valid convolutions or
            of folded voxels.

    Source: Ronneberger 2015 (arXiv:1505.04597); 3D: Çiçek 2016 (arXiv:1606.06650); strides, instance normalisation
        and leaky rectifiers as in nnU-Net (Isensee 2021); deep supervision: Lee 2015 (arXiv:1409.5185); folding: Shi
        2016 (arXiv:1609.05158).

    Example:
        >>> network = UNet(Inputs(("image",), 1, 3, (16, 16, 16)), width=3, channels=[4, 8])
        >>> network(torch.zeros(1, 1, 17, 16, 5)).shape
        torch.Size([1, 3, 17, 16, 5])
    """

    def __init__(
        self,
        inputs: Inputs,
        width: int,
        channels: Annotated[list[int], MinLen(1)] = [16, 32, 64, 128],  # noqa: B006  read, never changed
        convolutions: Annotated[int, Ge(1), Le(4)] = 2,
        residual: bool = False,
        norm: Literal["instance", "batch", "group", "none"] = "instance",
        down: Literal["stride", "pool"] = "stride",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        deep_supervision: bool = False,
        padding: Literal["same", "valid"] = "same",
        fold: Annotated[int, Ge(1), Le(4)] = 1,
    ) -> None:
        super().__init__()
        self.inputs, self.width, self.fold = inputs, width, fold
        self.channels, self.convolutions, self.residual, self.norm = channels, convolutions, residual, norm
        self.down, self.dropout, self.deep_supervision, self.padding = down, dropout, deep_supervision, padding
        dims, levels = inputs.space_dims, len(channels)
        self._strides, kernels = self._shape_of_levels(levels)
        self._step = tuple(fold * math.prod(stride[axis] for stride in self._strides) for axis in range(dims))
        self.divisor = math.lcm(*self._step)
        self.last_features = f"encoder.{levels - 1}"
        self.head = "heads"

        def level(entering: int, leaving: int, kernel: tuple[int, ...], stride: tuple[int, ...]) -> nn.Module:
            pool = max_pool(dims, stride, stride) if down == "pool" and max(stride) > 1 else nn.Identity()
            first = (1,) * dims if down == "pool" else stride
            return nn.Sequential(
                pool, _Level(dims, entering, leaving, kernel, first, convolutions, residual, norm, padding, dropout)
            )

        still = (1,) * dims
        entering, arriving = [inputs.channels * fold**dims, *channels], [still, *self._strides]
        self.encoder = nn.ModuleList(level(entering[i], channels[i], kernels[i], arriving[i]) for i in range(levels))
        self.upsample = nn.ModuleList(
            transposed_convolution(dims)(channels[i + 1], channels[i], self._strides[i], self._strides[i])
            for i in range(levels - 1)
        )
        self.decoder = nn.ModuleList(level(2 * channels[i], channels[i], kernels[i], still) for i in range(levels - 1))
        coarse = max(levels - 2, 0) if deep_supervision else 0
        self.heads = nn.ModuleList(convolution(dims)(channels[i], width * fold**dims, 1) for i in range(1 + coarse))

    @classmethod
    def example(cls) -> UNet:
        return cls(Inputs(("image",), 1, 3, (16, 16, 16)), width=3, channels=[4, 8, 8])

    def forward(self, image: Tensor) -> Tensor | dict[str, Tensor]:
        """Any size in, the same size out."""
        sides = image.shape[2:]
        for axis, (before, after) in enumerate(self._margins(sides), start=2):
            if before or after:
                image = _extended(image, axis, before, after, mirrored=self.padding == "valid")
        if self.fold > 1:
            image = folded(image, self.fold)
        answers = self.convolve(image)
        if self.fold > 1:
            answers[0] = unfolded(answers[0], self.fold)
        answers[0] = _crop(answers[0], sides)
        if len(answers) == 1:
            return answers[0]
        named = {"answer": answers[0]}
        step = [1] * len(sides)
        for depth, answer in enumerate(answers[1:], start=1):
            step = [done * stride for done, stride in zip(step, self._strides[depth - 1], strict=True)]
            named[f"deep_{depth}"] = _crop(answer, [-(-side // by) for side, by in zip(sides, step, strict=True)])
        return named

    def convolve(self, image: Tensor) -> list[Tensor]:
        """The bare network: the answer and, in training with deep supervision, the coarser ones.

        The sides must be multiples of the strides; without padding they must be valid, and the answer is smaller:
        572 pixels in, 388 out for four poolings.
        """
        skips = []
        for block in self.encoder:
            image = block(image)
            skips.append(image)
        answers: list[Tensor] = []
        for depth in reversed(range(len(self.decoder))):
            image = self.upsample[depth](image)
            skip = skips[depth]
            if skip.shape != image.shape:
                skip = _centre(skip, image.shape[2:])
            image = self.decoder[depth](torch.cat([skip, image], dim=1))
            if depth == 0 or (self.training and depth < len(self.heads)):
                answers.append(self.heads[depth](image))
        return answers[::-1] or [self.heads[0](image)]

    def _shape_of_levels(self, levels: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        dims = self.inputs.space_dims
        if self.fold > 1 and (self.deep_supervision or self.padding == "valid"):
            raise RecipeError(
                "unet folds voxels only where it answers once, on the image's own grid",
                where="network",
                expected="fold 1 with deep_supervision or padding 'valid'",
                remedy="set fold: 1",
                code="unet_fold",
            )
        if self.padding == "valid":
            if self.deep_supervision:
                raise RecipeError(
                    "unet can't answer on coarser grids with padding 'valid': these grids do not lie on the image's",
                    where="network",
                    expected="padding 'same' with deep_supervision",
                    remedy="set padding: same",
                    code="unet_valid_deep",
                )
            return [(2,) * dims] * (levels - 1), [(3,) * dims] * levels
        patch = tuple(-(-side // self.fold) for side in self.inputs.patch)
        strides, kernels = poolings_by_axis(patch, levels - 1)
        if strides and max(strides[-1]) == 1:
            fits = next(i for i, stride in enumerate(strides) if max(stride) == 1) + 1
            raise RecipeError(
                f"a patch of {' x '.join(map(str, self.inputs.patch))} is too small for a unet of {levels} levels",
                where="network",
                expected=f"at most {fits} numbers in channels",
                remedy="shorten channels, or enlarge train.patch",
                code="unet_patch_small",
            )
        return strides, kernels

    def _margins(self, sides: torch.Size) -> list[tuple[int, int]]:
        """Voxels to add before and after each axis."""
        if self.padding == "same":
            return [(0, -side % step) for side, step in zip(sides, self._step, strict=True)]
        poolings = len(self.channels) - 1
        margins = []
        for side in sides:
            wide = valid_input_side(side, poolings, self.convolutions)
            before = (wide - (valid_output_side(wide, poolings, self.convolutions) or 0)) // 2
            margins.append((before, wide - side - before))
        return margins


class _Level(nn.Module):
    """Convolutions of one resolution, each normalised and rectified."""

    def __init__(
        self,
        dims: int,
        entering: int,
        leaving: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        convolutions: int,
        residual: bool,
        norm: Literal["instance", "batch", "group", "none"],
        padding: Literal["same", "valid"],
        dropout: float,
    ) -> None:
        super().__init__()
        margin = tuple(side // 2 for side in kernel) if padding == "same" else 0
        bias = norm == "none"
        layers: list[nn.Module] = []
        for index in range(convolutions):
            layers.append(
                convolution(dims)(
                    entering if index == 0 else leaving,
                    leaving,
                    kernel,
                    stride if index == 0 else 1,
                    padding=margin,
                    bias=bias,
                )
            )
            layers.append(normalisation(norm, leaving, dims))
            layers.append(nn.LeakyReLU(0.01))
        self.rectify = layers.pop()
        self.body = nn.Sequential(*layers)
        self.drop = channel_dropout(dims, dropout) if dropout > 0 else nn.Identity()
        self.lost = 0 if padding == "same" else convolutions
        self.shortcut: nn.Module | None = None
        if residual:
            same = entering == leaving and max(stride) == 1
            self.shortcut = nn.Identity() if same else convolution(dims)(entering, leaving, 1, stride, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        result = self.body(image)
        if self.shortcut is not None:
            handed = self.shortcut(image)
            result = result + (_centre(handed, result.shape[2:]) if self.lost else handed)
        return self.drop(self.rectify(result))


def _extended(image: Tensor, axis: int, before: int, after: int, mirrored: bool) -> Tensor:
    """The image continued along an axis: mirrored at its border voxel, as often as needed, or the border repeated."""
    side = image.shape[axis]
    place = torch.arange(-before, side + after, device=image.device)
    if mirrored:
        period = max(2 * (side - 1), 1)
        place = place.remainder(period)
        place = torch.minimum(place, period - place) if side > 1 else place
    return image.index_select(axis, place.clamp(0, side - 1))


def _crop(image: Tensor, sides: torch.Size | list[int]) -> Tensor:
    """The first `sides` voxels of each axis."""
    for axis, side in enumerate(sides, start=2):
        if image.shape[axis] != side:
            image = image.narrow(axis, 0, side)
    return image


def _centre(image: Tensor, sides: torch.Size) -> Tensor:
    """The middle `sides` voxels of each axis."""
    for axis, side in enumerate(sides, start=2):
        image = image.narrow(axis, (image.shape[axis] - side) // 2, side)
    return image
