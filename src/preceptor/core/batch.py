"""`Batch` and `Step`: what travels through the training loop, typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """Each sample of a batch is two cases in one: itself, and a partner (mixup, cutmix).

    The loss is then ``share * loss(answer, own truth) + (1 - share) * loss(answer, partner's truth)``, whatever the
    objective: for cross-entropy that is the loss against the soft target itself.

    Args:
        share: ``(batch,)`` of the sample's own truth, in 0..1; 1 where it was left as it is.
        targets: ``{name: tensor}`` of the partners, in the form of the batch's targets. A target that is not here (a label map
            that was cut and pasted with the image) counts whole.
    """

    share: Tensor
    targets: Mapping[str, Tensor]

    def to(self, device: torch.device) -> Mixed:
        """The same on another device."""
        return Mixed(self.share.to(device), {name: target.to(device) for name, target in self.targets.items()})


@dataclass
class Batch:
    """Cases on their way through the network.

    Args:
        images: ``{view: (batch, channel, *space)}`` float32. Where `present` is false the pixels mean nothing.
        present: ``{view: (batch,)}`` bool: a missing view is a fact of the batch, never a zero image.
        targets: ``{name: tensor}``. Unlabelled is NaN in a float target and -1 in a class index, nothing else.
        fields: ``{column: (batch,)}`` numbers, or lists of text where a column is text.
        masks: ``{name: (batch, ...)}``: ``weight`` (per voxel), ``forbidden`` (right for the right reasons) …
        rows: ``(batch,)`` long: the row of the loader's index each sample was drawn from.
        keys: The cases' keys.
        mixed: Where each sample is two cases in one; `keys`, `rows`, `fields` and `targets` are then those of the larger part.
        points: ``{name: (batch, place, axis)}`` float32: places in voxels of the images, moved with them; they may lie outside.
            Infinite where a case has no more of them, NaN where nobody looked, or where the labels are hidden.
        boxes: ``{name: (batch, place, 2, axis)}``: lowest and highest corner, likewise.
    """

    images: dict[str, Tensor]
    present: dict[str, Tensor]
    targets: dict[str, Tensor]
    rows: Tensor
    keys: list[str]
    fields: dict[str, Any] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)
    mixed: Mixed | None = None
    points: dict[str, Tensor] = field(default_factory=dict)
    boxes: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def _tensors(self) -> Iterator[tuple[dict[str, Any], str]]:
        for each in (self.images, self.present, self.targets, self.masks, self.fields, self.points, self.boxes):
            for name, value in each.items():
                if hasattr(value, "to"):
                    yield each, name

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        copied: dict[str, Any] = {name: dict(v) if isinstance(v, dict) else v for name, v in values.items()}
        moved = Batch(**copied)
        for each, name in moved._tensors():
            each[name] = each[name].to(device, non_blocking=True)
        moved.rows = moved.rows.to(device)
        moved.mixed = None if self.mixed is None else self.mixed.to(device)
        return moved

    def pin_memory(self) -> Batch:
        """Page-locked, so that the copy to a GPU does not wait; the data loader calls this."""
        for each, name in self._tensors():
            each[name] = each[name].pin_memory()
        return self


@dataclass(frozen=True)
class Step:
    """What a method sees of one forward pass.

    Args:
        batch: The batch that went in.
        outputs: ``{name: tensor}`` of the network, ``answer`` among them.
        losses: ``{objective: (batch,)}``, unweighted.
        counts: ``{objective: (batch,)}``: how much of each sample is labelled.
        progress: 0 at the first step of the training, 1 at the last.
        epoch: Counted from 0.
        activation: ``activation(name)``: the output of the module of that name in this forward pass.
        rerun: ``rerun(batch) -> outputs``: another forward pass through the same network; leaves `activation` as it
            was.
        loss_of: ``loss_of(output) -> (batch,)``: what the recipe's objectives make of another output tensor
            (an auxiliary head, a coarser scale: the target is brought to its grid by nearest neighbour).
        network: The network itself.
    """

    batch: Batch
    outputs: Mapping[str, Tensor]
    losses: Mapping[str, Tensor]
    counts: Mapping[str, Tensor]
    progress: float
    epoch: int
    activation: Callable[[str], Tensor]
    rerun: Callable[[Batch], Mapping[str, Tensor]]
    loss_of: Callable[[Tensor], Tensor]
    network: Any


@dataclass(frozen=True)
class Index:
    """What a training epoch can draw from: one row a case, or one row per case and stratum where there are patches.

    Args:
        keys: Case keys; `case` points into it.
        case: ``(row,)`` position in `keys`.
        stratum: ``(row,)`` what the patch is centred on: a class index, or -1 for anywhere.
        share: ``(row,)`` the default probability of a row, summing to one.
        targets: ``{name: (case,)}`` per-case targets (class index, float; NaN or -1 where unlabelled).
        fields: ``{column: [value per case]}``.
    """

    keys: list[str]
    case: Any
    stratum: Any
    share: Any
    targets: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, list] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True)
class EpochEnd:
    """What a method hears when an epoch is over.

    Args:
        epoch: Counted from 0.
        score: On the tune cases; None in an epoch that was not scored.
        higher_is_better: Of `score`.
        best: Best score so far, this epoch included.
        losses: ``{name: mean over the epoch}`` of every objective and penalty.
    """

    epoch: int
    score: float | None
    higher_is_better: bool
    best: float | None
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Directive:
    """What a method asks of the loop after an epoch.

    Args:
        stop: End the training; the best weights are kept.
        rebuild_optimizer: What is frozen changed: make the optimizer and its schedule anew.
        learning_rate_factor: All learning rates are multiplied by it from now on.
    """

    stop: bool = False
    rebuild_optimizer: bool = False
    learning_rate_factor: float = 1.0
