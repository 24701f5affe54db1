"""What a generator and its discriminator are trained with, on logits; and what both lose by being told wrong.

A discriminator's step sees made images without the generator behind them (``fake.detach()``), in a forward pass of their
own: batch normalisation would mix real and made ones. A generator's step must leave the discriminator as it is: see
`held`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

#: ``bce``: cross-entropy, non-saturating for the generator. ``bce_saturating``: the same game with the generator's loss as
#: Goodfellow first wrote it, whose gradient vanishes where the discriminator is sure. ``wasserstein`` needs
#: `gradient_penalty` beside it.
Game = Literal["bce", "bce_saturating", "least_squares", "hinge", "wasserstein"]


def discriminator_loss(real: Tensor, fake: Tensor, game: Game = "bce") -> Tensor:
    """What the discriminator minimises.

    Args:
        real: Logits of real images, of any shape (one a case, or one a patch).
        fake: Logits of made images, detached from the generator.
        game: Which loss. ``least_squares`` is half the sum of both parts, targets 1 and 0.

    Returns:
        A scalar.

    Source: Goodfellow 2014 (arXiv:1406.2661), equation 1; Mao 2017 (arXiv:1611.04076), equation 9 with a = 0, b = c = 1;
        Lim & Ye 2017 (arXiv:1705.02894); Arjovsky 2017 (arXiv:1701.07875), algorithm 1.
    """
    if game in ("bce", "bce_saturating"):
        return softplus(-real).mean() + softplus(fake).mean()
    if game == "least_squares":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if game == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(fake: Tensor, game: Game = "bce") -> Tensor:
    """What the generator minimises, as far as the discriminator judges it.

    Args:
        fake: Logits of made images, of any shape, with the generator behind them.
        game: Which loss. ``least_squares`` has no factor of one half.

    Returns:
        A scalar.

    Source: As of `discriminator_loss`; the non-saturating form is Goodfellow 2014, section 3, last paragraph.
    """
    if game == "bce":
        return softplus(-fake).mean()
    if game == "bce_saturating":
        return -softplus(fake).mean()
    if game == "least_squares":
        return (fake - 1).square().mean()
    return -fake.mean()


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor, weight: float = 10.0
) -> Tensor:
    """How far the discriminator's slope is from 1 between real and made images.

    Args:
        discriminator: ``(batch, …)`` to logits. It must not normalise over the batch: a case's slope would be that of
            its neighbours too.
        real, fake: ``(batch, …)``; both are taken as they are, so nothing reaches the generator.
        share: ``(batch,)`` in 0..1, drawn evenly: how much of the real image there is at each place looked at.
        weight: Of the penalty.

    Returns:
        ``weight * mean((|gradient| - 1) ** 2)`` with a graph behind it, for the discriminator's step.

    Source: Gulrajani 2017 (arXiv:1704.00028), algorithm 1, line 6.
    """
    mixing = share.to(real).view(-1, *[1] * (real.dim() - 1))
    place = (mixing * real.detach() + (1 - mixing) * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(place).sum(), place, create_graph=True)
    return weight * (slope.flatten(1).norm(dim=1) - 1).square().mean()


def difference(made: Tensor, wanted: Tensor, weight: float) -> Tensor:
    """The mean absolute difference of two images: what holds a translation to its source.

    ``cycle`` (weight 10): there and back again, against where it began. ``identity`` (5): an image of the target
    domain, translated, against itself. pix2pix (100): the translation against its paired truth.

    Args:
        made, wanted: Of one shape.
        weight: Of the loss.

    Source: Zhu 2017 (arXiv:1703.10593), equation 2 and section 5.2; Isola 2017 (arXiv:1611.07004), equation 3.
    """
    return weight * (made - wanted).abs().mean()


@contextmanager
def held(discriminator: nn.Module) -> Iterator[nn.Module]:
    """The discriminator as a fixed judge: no gradient reaches its parameters, and batch statistics stay as they are.

    Its modes and what of it learns are as before afterwards; a loss made inside can be led backward outside.

    Example:
        >>> judge = nn.Linear(2, 1)
        >>> with held(judge):
        ...     loss = generator_loss(judge(torch.ones(1, 2, requires_grad=True)))
        >>> loss.backward()
        >>> judge.weight.grad is None, judge.weight.requires_grad
        (True, True)
    """
    learning = [each for each in discriminator.parameters() if each.requires_grad]
    counting: list[Any] = [each for each in discriminator.modules() if getattr(each, "track_running_stats", False)]
    for parameter in learning:
        parameter.requires_grad_(False)
    for module in counting:
        module.track_running_stats = False  # it then normalises by the batch, and remembers nothing
    try:
        yield discriminator
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        for module in counting:
            module.track_running_stats = True
