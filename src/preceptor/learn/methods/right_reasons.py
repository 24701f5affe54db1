"""Right for the right reasons: the answer must not come from where it is forbidden to."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from preceptor.core.batch import Batch, Step
from preceptor.maths.explanation_penalties import forbidden_of, right_reasons, sum_of_log_probabilities


class RightReasons(nn.Module):
    """Punishes the gradient of the answer with respect to pixels that must not matter (marks, borders, tubes).

    Images are ``(batch, channel, *space)``, masks ``(batch, *space)``. The mask ``<mask>_<view>`` belongs to one view,
    the mask ``<mask>`` to every view of its shape. A case without a mask contributes nothing.

    Args:
        weight: Of the penalty, which is a sum over the image: large images want small weights.
        mask: Name of the mask among the batch's masks.
        marks: Whether the mask marks what is "forbidden" or what is "allowed" (as a segmentation does).

    Returns:
        From `penalty`: a scalar, the mean over the batch of the sum over the image of the squared gradient of the sum
        of log-probabilities.

    Raises:
        RuntimeError: The network's answer does not depend on its images.

    Source: Ross 2017 (arXiv:1703.03717), eq. 1; sums over both answers of classes that may occur together are ours.

    Example:
        >>> RightReasons(weight=0.1).second_order
        True
    """

    second_order = True

    def __init__(
        self,
        weight: Annotated[float, Ge(0)] = 1.0,
        mask: str = "forbidden",
        marks: Literal["forbidden", "allowed"] = "forbidden",
    ) -> None:
        super().__init__()
        self.weight = weight
        self.mask = mask
        self.marks = marks

    @classmethod
    def example(cls) -> RightReasons:
        return cls()

    def on_batch(self, batch: Batch) -> Batch:
        images = {view: image.detach().requires_grad_() for view, image in batch.images.items()}
        return replace(batch, images=images)

    def penalty(self, step: Step) -> Tensor:
        answer = step.outputs["answer"].float()
        exclusive = not any(target.is_floating_point() for target in step.batch.targets.values())
        score = sum_of_log_probabilities(answer, exclusive).sum()
        masked = {view: mask for view in step.batch.images if (mask := self._mask_of(step.batch, view)) is not None}
        total = answer.new_zeros(())
        if not masked:
            return total
        images = [step.batch.images[view] for view in masked]
        gradients = torch.autograd.grad(score, images, create_graph=True, allow_unused=True)
        for (view, mask), gradient in zip(masked.items(), gradients, strict=True):
            if gradient is not None:
                there = step.batch.present[view].float()
                each = right_reasons(gradient, forbidden_of(mask, self.marks == "allowed"))
                total = total + (each * there).mean()
        return self.weight * total

    def _mask_of(self, batch: Batch, view: str) -> Tensor | None:
        """``(batch, *space)`` for this view, if there is one on its grid."""
        mask = batch.masks.get(f"{self.mask}_{view}", batch.masks.get(self.mask))
        image = batch.images[view]
        if mask is not None and mask.ndim == image.ndim and mask.shape[1] == 1:
            mask = mask[:, 0]
        return mask if mask is not None and mask.shape[1:] == image.shape[2:] else None
