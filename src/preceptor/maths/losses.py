"""Losses as pure functions: cross-entropy, focal, Dice in its several definitions, and means over what is labelled.

Unlabelled is -1 in a class index and NaN in a float target. It is *replaced* before a loss is computed and then
multiplied away: masking afterwards would leave a NaN in the gradient.

Axes: logits ``(batch, class, *space)``; class index ``(batch, *space)``; float target as the logits; ``space`` may be
empty. Logarithms are natural.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def is_labelled(target: Tensor) -> Tensor:
    """True where a target holds a label: not NaN in a float target, not negative in a class index."""
    return ~torch.isnan(target) if target.is_floating_point() else target >= 0


def labelled_count(target: Tensor) -> Tensor:
    """``(batch,)`` float32: labelled entries of each sample."""
    return is_labelled(target).flatten(1).sum(1).float() if target.ndim > 1 else is_labelled(target).float()


def as_reference(target: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """A target as a number per class, and which of these numbers are labelled.

    Args:
        target: ``(batch, *space)`` class index, or ``(batch, class, *space)`` float.
        classes: Channels of the answer.
        dtype: Of the reference made from class indices.

    Returns:
        ``(batch, class, *space)`` float reference, 0 where unlabelled, and the boolean mask of labelled entries
        (one channel for class indices, which are labelled for all classes at once).
    """
    known = is_labelled(target)
    if target.is_floating_point():
        return torch.where(known, target, 0.0), known
    index = torch.arange(classes, device=target.device).view(-1, *[1] * (target.ndim - 1))
    return (target[:, None] == index).to(dtype), known[:, None]


def as_probability(logits: Tensor, target: Tensor) -> Tensor:
    """Softmax over classes where the target is a class index, sigmoid where it is float."""
    return logits.sigmoid() if target.is_floating_point() else logits.softmax(1)


def mean_per_sample(
    values: Tensor, known: Tensor, weight: Tensor | None = None, divisor: Tensor | None = None
) -> Tensor:
    """``(batch,)`` mean of `values` over the labelled entries of each sample; 0 where none is.

    Args:
        values: ``(batch, ...)``, finite everywhere.
        known: Same shape, boolean.
        weight: A factor per voxel, ``(batch, *space)`` or with a channel axis of one. It multiplies the loss of a
            voxel and stays out of the divisor, so a map that is 2 everywhere doubles the loss.
        divisor: ``(batch,)`` what to divide by instead of the number of labelled entries.
    """
    kept = torch.where(known, values, 0.0)
    if weight is not None:
        kept = kept * _aligned(weight, kept)
    total = kept.reshape(len(kept), -1).sum(1)
    count = known.reshape(len(known), -1).sum(1) if divisor is None else divisor
    return torch.where(count > 0, total / torch.where(count > 0, count, 1), 0.0)


def _aligned(weight: Tensor, values: Tensor) -> Tensor:
    """A map per voxel brought to the axes of values that have a channel axis, or have none."""
    if weight.ndim == values.ndim - 1:
        return weight[:, None]
    if weight.ndim == values.ndim + 1 and weight.shape[1] == 1:
        return weight[:, 0]
    return weight


# ---------------------------------------------------------------- cross-entropy


def cross_entropy(
    logits: Tensor, target: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """``(batch, *space)`` cross-entropy of a class index, 0 with gradient exactly 0 where the target is -1.

    Args:
        logits: ``(batch, class, *space)``.
        target: ``(batch, *space)`` integer.
        class_weights: ``(class,)`` factor of each class; not divided out, see `weighted_mean`.
        label_smoothing: Share of the target spread evenly over all classes.
    """
    return functional.cross_entropy(
        logits, target.long(), weight=class_weights, ignore_index=-1, reduction="none", label_smoothing=label_smoothing
    )


def gaussian_nll(mean: Tensor, variance: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood of numbers under normal distributions, less the constant ``log(2 pi) / 2``.

    Args:
        mean, truth: Any shape, in one unit.
        variance: The same shape, above 0, in that unit squared.

    Source: Nix & Weigend 1994; Lakshminarayanan 2017 (arXiv:1612.01474), eq. 1.
    """
    return (variance.log() + (truth - mean) ** 2 / variance) / 2


def weighted_mean(
    losses: Tensor, target: Tensor, class_weights: Tensor, divisor: Literal["count", "weights"]
) -> Tensor:
    """Scalar mean of class-weighted cross-entropies over the labelled entries.

    Args:
        losses: From `cross_entropy` with the same `class_weights`.
        target: ``(batch, *space)`` integer.
        class_weights: ``(class,)``.
        divisor: "count" divides by how many entries are labelled; "weights" by the sum of their classes' weights, as
            torch does: a batch of one class then has a loss that does not depend on the weight.
    """
    known = is_labelled(target)
    total = torch.where(known, losses, 0.0).sum()
    count = known.sum() if divisor == "count" else weight_of_target(target, class_weights).sum()
    return total / count if count > 0 else total


def weight_of_target(target: Tensor, class_weights: Tensor) -> Tensor:
    """``(batch, *space)`` the weight of each entry's class, 0 where unlabelled."""
    return torch.where(is_labelled(target), class_weights[target.clamp_min(0).long()], 0.0)


def binary_cross_entropy(logits: Tensor, target: Tensor, positive_weights: Tensor | None = None) -> Tensor:
    """Entry-wise cross-entropy of independent classes, 0 with gradient exactly 0 where the target is NaN.

    Args:
        logits: ``(batch, class, *space)``.
        target: Same shape, float in 0..1, NaN where unlabelled.
        positive_weights: ``(class,)`` factor of the positive term of each class.
    """
    known = is_labelled(target)
    if positive_weights is not None:
        positive_weights = positive_weights.view(-1, *[1] * (logits.ndim - 2))
    losses = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, target, 0.0), pos_weight=positive_weights, reduction="none"
    )
    return losses * known


def mean_over_labels(losses: Tensor, known: Tensor) -> Tensor:
    """Scalar mean over classes of the mean over labelled cases; classes without any label are left out.

    Args:
        losses: ``(batch, class)``, finite.
        known: ``(batch, class)`` boolean.
    """
    count = known.sum(0)
    per_label = (losses * known).sum(0) / count.clamp_min(1)
    return per_label.sum() / (count > 0).sum().clamp_min(1)


# ---------------------------------------------------------------- focal


def focal_factor(log_probability: Tensor, gamma: float) -> Tensor:
    """``(1 - p)^gamma`` of the probability given to the truth, from its logarithm.

    1 - p is kept above 1e-12: below, the power's gradient is infinite for gamma < 1.
    """
    return (-torch.expm1(log_probability)).clamp_min(1e-12) ** gamma


def focal_cross_entropy(
    logits: Tensor, target: Tensor, gamma: float = 2.0, class_weights: Tensor | None = None
) -> Tensor:
    """``(batch, *space)`` focal loss of a class index: ``-w (1 - p)^gamma log p``; 0 where the target is -1.

    Source: Lin 2017 (arXiv:1708.02002), eq. 5, with a weight per class for alpha.
    """
    log_probability = -cross_entropy(logits, target)
    losses = -focal_factor(log_probability, gamma) * log_probability
    return losses if class_weights is None else losses * weight_of_target(target, class_weights)


def focal_binary_cross_entropy(
    logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | None = None
) -> Tensor:
    """Entry-wise focal loss of independent classes, 0 with gradient exactly 0 where the target is NaN.

    Args:
        logits: ``(batch, class, *space)``.
        target: Same shape, 0 or 1, NaN where unlabelled.
        gamma: How much easy entries are muted; 0 is cross-entropy.
        alpha: Weight of POSITIVES; negatives weigh ``1 - alpha``. None weighs both alike, with 1.

    Source: Lin 2017 (arXiv:1708.02002), eq. 4 and 5.
    """
    known = is_labelled(target)
    truth = torch.where(known, target, 0.0)
    cross_entropies = binary_cross_entropy(logits, truth)
    losses = focal_factor(-cross_entropies, gamma) * cross_entropies
    if alpha is not None:
        losses = losses * (alpha * truth + (1 - alpha) * (1 - truth))
    return losses * known


# ---------------------------------------------------------------- Dice


def overlap_sums(
    probability: Tensor,
    reference: Tensor,
    *,
    squared: bool = False,
    known: Tensor | None = None,
    weight: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What every Dice is made of: sums over space.

    Args:
        probability, reference: ``(batch, class, *space)``.
        squared: Sum squares in the denominator's terms (V-Net) instead of the values.
        known: Entries that count, broadcastable.
        weight: A factor per voxel, ``(batch, *space)`` or with a channel axis of one.

    Returns:
        ``(batch, class)`` each: intersection, volume answered, volume of the reference.
    """
    factor: Tensor | None = None if known is None or bool(known.all()) else known.to(probability.dtype)
    if weight is not None:
        aligned = _aligned(weight, probability)
        factor = aligned if factor is None else factor * aligned
    answered, true = (probability**2, reference**2) if squared else (probability, reference)
    parts = (probability * reference, answered, true)
    return tuple((part if factor is None else part * factor).flatten(2).sum(2) for part in parts)  # type: ignore[return-value]


def dice_of_sums(intersection: Tensor, answered: Tensor, reference: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """``(2 intersection + smoothing) / (answered + reference + smoothing)``; 1 where all of these are 0.

    With an empty reference and no smoothing this is 0 with gradient 0: nothing is learnt there.

    Source: Drozdzal 2016 (arXiv:1608.04117) with plain sums, Milletari 2016 (arXiv:1606.04797, section 3) with squares.
    """
    denominator = answered + reference + smoothing
    nothing = denominator == 0
    return torch.where(nothing, 1.0, (2 * intersection + smoothing) / torch.where(nothing, 1.0, denominator))


def soft_dice(probability: Tensor, reference: Tensor, *, squared: bool = False, smoothing: float = 0.0) -> Tensor:
    """``(batch, class)`` soft Dice.  The two denominators are different losses with different gradients.

    Args:
        probability, reference: ``(batch, class, *space)``.
        squared: V-Net's denominator ``sum p^2 + sum g^2`` instead of ``sum p + sum g``.
        smoothing: Added to numerator and denominator, in voxels.
    """
    return dice_of_sums(*overlap_sums(probability, reference, squared=squared), smoothing=smoothing)


def generalised_dice_of_sums(
    intersection: Tensor,
    answered: Tensor,
    reference: Tensor,
    *,
    weighting: Literal["square", "simple", "uniform"] = "square",
    smoothing: float = 0.0,
) -> Tensor:
    """``(batch,)`` generalised Dice: ``2 sum_l w_l intersection_l / sum_l w_l (answered_l + reference_l)``.

    ``w_l`` is ``1 / reference_l^2`` (square), ``1 / reference_l`` (simple) or 1. A class that the reference lacks would
    weigh infinitely: it gets the largest weight among the classes that are there (1 where none is).

    Args:
        intersection, answered, reference: ``(batch, class)`` from `overlap_sums`.
        weighting: As above.
        smoothing: Added to numerator and denominator.

    Source: Sudre 2017 (arXiv:1707.03237), section 2; the rule for absent classes as in MONAI.
    """
    power = {"square": 2, "simple": 1, "uniform": 0}[weighting]
    there = reference > 0
    weights = torch.where(there, 1 / torch.where(there, reference, 1.0) ** power, 0.0)
    largest = weights.amax(1, keepdim=True)
    weights = torch.where(there, weights, torch.where(largest > 0, largest, 1.0))
    common, ours, theirs = ((weights * part).sum(1) for part in (intersection, answered, reference))
    return dice_of_sums(common, ours, theirs, smoothing=smoothing)
