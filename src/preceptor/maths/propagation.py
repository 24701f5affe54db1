"""Backward passes with a rule of their own: guided backpropagation, DeepLIFT's rescaling, relevance (LRP).

A network is run as it is while a mode watches the functions it calls, so that it does not matter whether a rectifier is
a module, is used twice, works in place or is written into `forward`. Each non-linear (for relevance: each linear)
function answers what it always answers; only what it does to a gradient is exchanged. Functions without a rule, such as
a softmax, keep their own gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: Functions that look at one number at a time.
ELEMENTWISE: Mapping[Any, str] = dict.fromkeys(
    [
        *(functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
        *(functional.leaky_relu, functional.leaky_relu_, functional.relu6, functional.prelu, functional.elu),
        *(functional.gelu, functional.silu, functional.softplus, functional.hardswish, functional.hardtanh),
        *(functional.sigmoid, torch.sigmoid, Tensor.sigmoid, functional.tanh, torch.tanh, Tensor.tanh),
        *(torch.exp, Tensor.exp, torch.square, Tensor.square, Tensor.pow, torch.pow, Tensor.__pow__),
    ],
    "elementwise",
)
RECTIFIERS = (functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
PRODUCTS = (torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__)
LINEAR = (
    *(functional.linear, functional.conv1d, functional.conv2d, functional.conv3d),
    *(functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d),
)
NORMS = (functional.group_norm, functional.instance_norm, functional.layer_norm)
POOLS = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)


class GuidedRectifiers(TorchFunctionMode):
    """Guided backpropagation: a rectifier hands back only what is positive, and only where it let something through.

    Source: Springenberg et al. 2015, "Striving for Simplicity", arXiv:1412.6806, section 3.4.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in RECTIFIERS:
            _, in_place = _asked(func, args, kwargs or {})
            return _written_back(args[0], _Guided.apply(args[0]), in_place)
        return func(*args, **(kwargs or {}))


class Rescaling(TorchFunctionMode):
    """DeepLIFT: differences from a reference are handed on in proportion, not by the slope at one point.

    Open it once without a reference while the network sees the reference, and once with what that one `seen`, while it
    sees the image; gradients of the second run are then multipliers. Elementwise functions follow the rescale rule,
    products of two changing factors and normalisations by groups share exactly, a maximum goes to the voxel that was,
    or had been, largest: for a network made of these the contributions add up to the difference of the score.

    Args:
        reference: The `seen` of the run on the reference.

    Source: Shrikumar et al. 2017, arXiv:1704.02685, section 3.5.1; products as in Lundberg & Lee 2017, section 4.2.
    """

    def __init__(self, reference: Sequence[tuple[Tensor, ...]] | None = None) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, ...]] = []
        self._reference = reference

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = self._rule(func, args)
        if rule is None:
            return func(*args, **kwargs)
        inputs = tuple(each.detach().clone() for each in args[:2] if isinstance(each, Tensor))
        value, in_place = _asked(func, args, kwargs)
        self.seen.append((*inputs, value))
        if self._reference is None:
            # Still part of a graph, so that products of two factors that change are told by both asking for one.
            return func(*args, **kwargs)
        found = rule(func, args, kwargs, inputs, value, self._reference[len(self.seen) - 1])
        return _written_back(args[0], found, in_place)

    def _rule(self, func: Any, args: Any) -> Callable[..., Tensor] | None:
        if func in ELEMENTWISE:
            return self._rescaled
        if func in POOLS and not (len(args) > 6 and args[6]):
            return self._largest
        if func in NORMS:
            return self._normalised
        if func in PRODUCTS and all(isinstance(each, Tensor) and each.requires_grad for each in args[:2]):
            return self._product
        return None

    @staticmethod
    def _rescaled(
        func: Any, args: Any, kwargs: Any, inputs: tuple[Tensor, ...], value: Tensor, before: tuple[Tensor, ...]
    ) -> Tensor:
        change, moved = inputs[0] - before[0], value - before[-1]
        with torch.enable_grad():
            middle = ((inputs[0] + before[0]) / 2).requires_grad_()
            (slope,) = torch.autograd.grad(func(middle * 1, *args[1:], **kwargs).sum(), middle)
        # Where nothing moved a ratio of two roundings would be noise: the slope stands in.
        steady = change.abs() < 1e-6 * (1 + inputs[0].abs())
        multiplier = torch.where(steady, slope, moved / torch.where(steady, 1, change))
        return _Linearised.apply(args[0], value, multiplier.detach())

    @staticmethod
    def _largest(
        func: Any, args: Any, kwargs: Any, inputs: tuple[Tensor, ...], value: Tensor, before: tuple[Tensor, ...]
    ) -> Tensor:
        given = {**kwargs, "return_indices": True}
        _, now = func(inputs[0], *args[1:], **given)
        _, then = func(before[0], *args[1:], **given)
        place = torch.where(value >= before[-1], now, then).flatten(2)
        here, there = (each.flatten(2).gather(2, place) for each in (inputs[0], before[0]))
        change, moved = here - there, (value - before[-1]).flatten(2)
        multiplier = torch.where(change.abs() < 1e-9, 1.0, moved / torch.where(change.abs() < 1e-9, 1, change))
        found = _Linearised.apply(args[0].flatten(2).gather(2, place), value.flatten(2), multiplier)
        return found.view(value.shape)

    @staticmethod
    def _product(
        func: Any, args: Any, kwargs: Any, inputs: tuple[Tensor, ...], value: Tensor, before: tuple[Tensor, ...]
    ) -> Tensor:
        first, second = ((now + then) / 2 for now, then in zip(inputs, before, strict=False))
        shared = args[0] * second + args[1] * first
        return _Linearised.apply(shared, value, torch.ones_like(value))

    @staticmethod
    def _normalised(
        func: Any, args: Any, kwargs: Any, inputs: tuple[Tensor, ...], value: Tensor, before: tuple[Tensor, ...]
    ) -> Tensor:
        """(x - mean) / spread is a product of two changing factors, the second a curve over the mean square."""
        axes = _normalised_axes(func, args, kwargs, inputs[0])
        grouped = [each.reshape(axes.shape) for each in (args[0], inputs[0], before[0])]
        given, now, then = (each - each.mean(axes.over, keepdim=True) for each in grouped)
        squares = [(each**2).mean(axes.over, keepdim=True) for each in (now, then)]
        spread = [(each + axes.epsilon).rsqrt() for each in squares]
        gain = _learnt_scale(func, args, kwargs, inputs[0])
        moved = squares[0] - squares[1]
        still = moved.abs() < 1e-9
        middle = -0.5 * ((squares[0] + squares[1]) / 2 + axes.epsilon) ** -1.5
        slope = torch.where(still, middle, (spread[0] - spread[1]) / torch.where(still, 1, moved))
        width = slope * (given * (now + then)).mean(axes.over, keepdim=True)
        shared = (given * (spread[0] + spread[1]) / 2 + width * (now + then) / 2).reshape(args[0].shape) * gain
        return _Linearised.apply(shared, value, torch.ones_like(value))


class Relevance(TorchFunctionMode):
    """Layer-wise relevance propagation: gradients become relevance divided by activation.

    Every linear layer hands its relevance down in proportion to what each input contributed; biases get no share, so
    nothing leaks into them and the relevance of the input adds up to the score. Curves and normalisations hand theirs
    on whole.

    Args:
        gamma: How much more contributions of the output's own sign count in convolutions; 0 is LRP-0.
        epsilon: Added to every denominator, with its sign.

    Source: Bach et al. 2015, doi:10.1371/journal.pone.0130140, equation 56 and 58; for the rule gamma Montavon et al.
        2019, "Layer-Wise Relevance Propagation: An Overview", table 1, in the form for signed inputs of Andéol et al.
        2021, arXiv:2105.14033, section 3.2.
    """

    def __init__(self, gamma: float = 0.0, epsilon: float = 1e-9) -> None:
        super().__init__()
        self.gamma = gamma
        self.epsilon = epsilon

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in LINEAR:
            given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
            rest, value = args[3:], func(*args, **kwargs)
            options = {name: each for name, each in kwargs.items() if name not in ("input", "weight", "bias")}
            gamma = 0.0 if func is functional.linear else self.gamma

            def layer(image: Tensor, weight: Tensor) -> Tensor:
                return func(image, weight, None, *rest, **options)

            return _Relevance.apply(given["input"], given["weight"], value.detach(), layer, gamma, self.epsilon)
        if func in ELEMENTWISE or func in NORMS or func is functional.batch_norm:
            image = args[0].detach().clone()
            value, in_place = _asked(func, args, kwargs)
            found = _Linearised.apply(args[0], value, value / _away(image, self.epsilon))
            return _written_back(args[0], found, in_place)
        return func(*args, **kwargs)


class _Linearised(torch.autograd.Function):
    """Any value with any slope."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, value: Tensor, multiplier: Tensor) -> Tensor:
        ctx.save_for_backward(multiplier)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (multiplier,) = ctx.saved_tensors
        return gradients[0] * multiplier, None, None


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        ctx.save_for_backward(image > 0)
        return image.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (passed,) = ctx.saved_tensors
        return gradients[0].clamp(min=0) * passed


class _Relevance(torch.autograd.Function):
    """A linear layer whose gradient is the relevance it hands down, divided by its input."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        weight: Tensor,
        value: Tensor,
        layer: Callable[[Tensor, Tensor], Tensor],
        gamma: float,
        epsilon: float,
    ) -> Tensor:
        ctx.save_for_backward(image.clone(), weight, value)
        ctx.layer, ctx.gamma, ctx.epsilon = layer, gamma, epsilon
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        image, weight, value = (each.detach() for each in ctx.saved_tensors)
        relevance = gradients[0] * value
        if not ctx.gamma:
            contributions, back = _transposed(ctx.layer, image, weight)
            return (back(relevance / _away(contributions, ctx.epsilon)), *[None] * 5)
        above, below = image.clamp(min=0), image.clamp(max=0)
        more, less = weight.clamp(min=0), weight.clamp(max=0)
        plain, back = _transposed(ctx.layer, image, weight)
        # What speaks for the sign of the output counts more: two equal signs where it is positive, else two unequal.
        for_positive = [_transposed(ctx.layer, above, more), _transposed(ctx.layer, below, less)]
        for_negative = [_transposed(ctx.layer, above, less), _transposed(ctx.layer, below, more)]
        positive = value > 0
        favoured = torch.where(positive, sum(each for each, _ in for_positive), sum(each for each, _ in for_negative))
        share = relevance / _away(plain + ctx.gamma * favoured, ctx.epsilon)
        up, down = torch.where(positive, share, 0), torch.where(positive, 0, share)
        boosted_above = for_positive[0][1](up) + for_negative[0][1](down)
        boosted_below = for_positive[1][1](up) + for_negative[1][1](down)
        found = back(share) + ctx.gamma * torch.where(image >= 0, boosted_above, boosted_below)
        return (found, *[None] * 5)


class _Axes:
    """How a normalisation groups its input: reshaped to `shape`, taken over the axes `over`."""

    def __init__(self, shape: tuple[int, ...], over: tuple[int, ...], epsilon: float) -> None:
        self.shape, self.over, self.epsilon = shape, over, epsilon


def _normalised_axes(func: Any, args: Any, kwargs: Any, image: Tensor) -> _Axes:
    if func is functional.group_norm:
        groups = kwargs.get("num_groups", args[1] if len(args) > 1 else 1)
        epsilon = kwargs.get("eps", args[4] if len(args) > 4 else 1e-5)
        return _Axes((len(image), groups, image[0].numel() // groups), (2,), epsilon)
    if func is functional.instance_norm:
        epsilon = kwargs.get("eps", args[7] if len(args) > 7 else 1e-5)
        return _Axes(tuple(image.shape), tuple(range(2, image.ndim)), epsilon)
    wide = len(kwargs.get("normalized_shape", args[1] if len(args) > 1 else ()))
    epsilon = kwargs.get("eps", args[4] if len(args) > 4 else 1e-5)
    return _Axes(tuple(image.shape), tuple(range(image.ndim - wide, image.ndim)), epsilon)


def _learnt_scale(func: Any, args: Any, kwargs: Any, image: Tensor) -> Any:
    """The learnt scale of a normalisation, in a shape that fits the image."""
    place = 3 if func is functional.instance_norm else 2
    given = kwargs.get("weight", args[place] if len(args) > place else None)
    if given is None:
        return 1.0
    return given.detach() if func is functional.layer_norm else given.detach().view(1, -1, *[1] * (image.ndim - 2))


def _asked(func: Any, args: Any, kwargs: Mapping[str, Any]) -> tuple[Tensor, bool]:
    """What a function answers, without a graph, and whether it works in place."""
    with torch.no_grad():
        copied = args[0].detach().clone()
        value = func(copied, *args[1:], **kwargs)
    return value, value is copied


def _written_back(image: Tensor, value: Tensor, in_place: bool) -> Tensor:
    """The value, in the image's own place where the function would have put it there."""
    return image.copy_(value) if in_place else value


def _away(denominator: Tensor, epsilon: float) -> Tensor:
    """Moved away from zero, keeping its sign."""
    return denominator + torch.where(denominator >= 0, epsilon, -epsilon)


def _transposed(
    layer: Callable[[Tensor, Tensor], Tensor], image: Tensor, weight: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A linear layer's answer, and what brings a gradient back through it."""
    with torch.enable_grad():
        given = image.detach().requires_grad_()
        answer = layer(given, weight)

    def back(gradient: Tensor) -> Tensor:
        return torch.autograd.grad(answer, given, gradient, retain_graph=True)[0]

    return answer.detach(), back
