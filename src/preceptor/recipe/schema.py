"""What a recipe may hold: its sections, and the settings of those that are no plug-in.

A section that names plug-ins takes its schema from their constructors; the others (`Train`, `Split` and the small
tables of optimizers and schedules) are written out here in the same way, so one reader checks both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt

Share = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(1)]
Decay = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class Adamw:
    """Adam with decoupled weight decay.

    Args:
        lr: Learning rate.
        weight_decay: Per step, times the learning rate.
        betas: Decay of the running mean and of the running square.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    lr: Annotated[float, Gt(0), Le(10)] = 1e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    betas: tuple[Decay, Decay] = (0.9, 0.999)


@dataclass(frozen=True)
class Adam:
    """Adam.

    Args:
        lr: Learning rate.
        weight_decay: As an L2 penalty in the gradient.
        betas: Decay of the running mean and of the running square.

    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    lr: Annotated[float, Gt(0), Le(10)] = 1e-3
    weight_decay: Annotated[float, Ge(0)] = 0.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with momentum.

    Args:
        lr: Learning rate.
        momentum: Share of the last step that is kept.
        nesterov: Whether the gradient is taken ahead of the step.
        weight_decay: As an L2 penalty in the gradient.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    lr: Annotated[float, Gt(0), Le(10)] = 1e-2
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True)
class Constant:
    """The learning rate stays as it is.

    Args:
        warmup_epochs: Epochs over which it rises from zero, linearly and step by step.
    """

    warmup_epochs: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True)
class Cosine:
    """The learning rate falls along half a cosine to `floor` of itself.

    Args:
        warmup_epochs: Epochs over which it first rises from zero.
        floor: Share of it that is left at the last step.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5 without restarts.
    """

    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    floor: Share = 0.0


@dataclass(frozen=True)
class Poly:
    """The learning rate is multiplied by ``(1 - progress) ** power``.

    Args:
        warmup_epochs: Epochs over which it first rises from zero.
        power: Of what is left of the training.

    Source: Chen et al. 2018, arXiv:1606.00915, section 3; nnU-Net uses power 0.9.
    """

    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    power: Annotated[float, Gt(0)] = 0.9


@dataclass(frozen=True)
class Plateau:
    """The learning rate is multiplied by `factor` when the score on the tune cases stops improving.

    Args:
        warmup_epochs: Epochs over which it first rises from zero.
        factor: What it is multiplied by.
        patience: Scored epochs without improvement before it falls.
    """

    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    factor: Annotated[float, Gt(0), Lt(1)] = 0.5
    patience: Count = 5


OPTIMIZERS: Mapping[str, type] = {"adam": Adam, "adamw": Adamw, "sgd": Sgd}
SCHEDULES: Mapping[str, type] = {"constant": Constant, "cosine": Cosine, "plateau": Plateau, "poly": Poly}


@dataclass(frozen=True)
class Choice:
    """Marks a setting that is one of a table, written like a plug-in: ``name`` or ``{name: {setting: value}}``."""

    table: Literal["optimizers", "schedules"]


TABLES: Mapping[str, Mapping[str, type]] = {"optimizers": OPTIMIZERS, "schedules": SCHEDULES}


@dataclass(frozen=True)
class Train:
    """How long, how many at once, and how the weights are moved.

    Args:
        epochs: Passes over the training cases.
        batch_size: Cases or patches in one forward pass, per process.
        patch: Voxels along each axis of a training patch; without it whole prepared images are used.
        patches_per_case: Patches drawn from each case in an epoch.
        foreground_share: Share of the patches that are centred on a labelled structure.
        boundary_share: Share of the patches that are centred on a place where two classes meet; with foreground_share at
            most 1.
        optimizer: ``{name: settings}`` out of adam, adamw, sgd.
        schedule: ``{name: settings}`` of the learning rate, out of constant, cosine, plateau, poly.
        precision: Of the forward pass: single precision, or mixed with bfloat16 (weights stay in single precision).
        clip_norm: Longest gradient (L2 norm over all weights) that is applied unshortened; null for no limit.
        accumulate: Forward passes whose gradients are added up before one step.
        workers: Processes that load data; the draws do not depend on it.
        augment_on: Where examples are varied: by the processor that loads them, or on the device that the network runs on; the
            draws are the same.
        storage: How prepared images are kept: as they are, or as levels in 16 bits, half the disk, where their values are evenly
            spaced (not after resampling or smoothing) and nothing is lost by it; patches then take twice as long to copy.
        tune_every: Epochs from one scoring of the tune cases to the next.
        overlap: Share by which neighbouring windows overlap when whole images are predicted from patches.
        checkpoint_every_minutes: Longest time between two checkpoints inside an epoch; one is written after every
            epoch in any case.
    """

    epochs: Count = 20
    batch_size: Count = 4
    patch: Annotated[list[Count], Len(2, 3)] | None = None
    patches_per_case: Count = 1
    foreground_share: Share = 0.5
    boundary_share: Share = 0.0
    optimizer: Annotated[dict[str, Any] | str, Choice("optimizers")] = "adamw"
    schedule: Annotated[dict[str, Any] | str, Choice("schedules")] = "cosine"
    precision: Literal["32", "bf16"] = "32"
    clip_norm: Annotated[float, Gt(0)] | None = 1.0
    accumulate: Count = 1
    workers: Annotated[int, Ge(0), Le(256)] = 0
    augment_on: Literal["loader", "device"] = "loader"
    storage: Literal["plain", "levels"] = "plain"
    tune_every: Count = 1
    overlap: Annotated[float, Ge(0), Lt(1)] = 0.5
    checkpoint_every_minutes: Annotated[float, Gt(0)] = 10.0


@dataclass(frozen=True)
class Split:
    """Who sits in which role. Without this section the cases keep the roles their data set gives them.

    Args:
        by: What is dealt out whole: ``patient`` (with every case merged into them), single images with ``image``, or a
            field such as ``study`` or ``site``, no value of which then stands in two roles, nor does a patient.
        train, tune, calibrate, test: Shares of what is dealt; they add up to one.
        stratify: Label or field whose values should be spread evenly over the roles.
        time: Field of dates or numbers: nothing is drawn, the earliest go to train and the latest to test, as in a
            prospective study. Who was seen before is not tested on: the later cases of such people are excluded and
            counted.
        adapt, external: ``{field: [values]}``: cases with such a value get this role before anything is dealt.
        given: Keep the roles that the data set gives, and refuse a person who stands in two.
    """

    by: str = "patient"
    train: Share = 0.0
    tune: Share = 0.0
    calibrate: Share = 0.0
    test: Share = 0.0
    stratify: str | None = None
    time: str | None = None
    adapt: dict[str, list[Any]] | None = None
    external: dict[str, list[Any]] | None = None
    given: bool = False


SHARES = ("train", "tune", "calibrate", "test")


@dataclass(frozen=True)
class Section:
    """One top-level key of a recipe.

    Args:
        about: What it decides, one line: shown by editors and written into new recipes.
        slot: The folder of plug-ins it names, if any.
        many: Whether it is a list of them.
        annotation: Type of a section that names no plug-in.
        default: What an absent section means; ``...`` where it must be there.
    """

    about: str
    slot: str | None = None
    many: bool = False
    annotation: Any = None
    default: Any = None

    @property
    def required(self) -> bool:
        return self.default is ...


SECTIONS: Mapping[str, Section] = {
    "study": Section("short name of the study: names the run's folder", annotation=str),
    "name": Section("title for reports", annotation=str, default=""),
    "seed": Section("every random draw follows from it", annotation=Annotated[int, Ge(0), Lt(2**32)], default=0),
    "folder": Section("folder that paths are relative to, seen from this file", annotation=str, default="."),
    "cohort": Section("where the cases come from", slot="datasets", default=...),
    "checks": Section("what is checked before training; without it, everything", slot="checks", many=True),
    "split": Section("who sits in which role", annotation=Split),
    "prepare": Section("done once to every image, in this order", slot="transforms", many=True, default=()),
    "augment": Section("drawn anew each time a training case is used", slot="transforms", many=True, default=()),
    "task": Section("what is asked of the image", slot="tasks", default=...),
    "network": Section("what computes the answer", slot="networks", default=...),
    "objective": Section("how an answer is scored; a list is a sum", slot="objectives", many=True, default=...),
    "methods": Section("what else happens while training", slot="methods", many=True, default=()),
    "strategy": Section("how many trainings, in what order", slot="strategies", default="once"),
    "train": Section("how long, how many at once, which optimizer", annotation=Train, default=Train()),
    "safeguards": Section("between an output and its reader", slot="safeguards", many=True, default=()),
    "evaluate": Section("what is measured", slot="evaluators", many=True, default=()),
    "explain": Section("which maps are drawn", slot="explainers", many=True, default=()),
    "gates": Section("when it is good enough to sign", slot="gates", many=True, default=()),
}

#: Keys that the list of objectives itself reads, beside a constructor's own parameters.
OBJECTIVE_KEYS: Mapping[str, Any] = {"weight": Annotated[float, Gt(0)], "output": str}
