"""The thirteen contracts: what a file in each plug-in folder must hold.

A plug-in is one public class in one file; the file's name is its name in a recipe. The constructor's signature is the
recipe's schema: every parameter is annotated (``int``, ``float``, ``bool``, ``str``, ``list[...]``, ``dict[...]``,
``Literal[...]``, ``... | None``, ``Annotated[..., Ge(0)]`` from `annotated_types`, or a `Nested` plug-in) and its
value is stored under
its own name. Parameters in `RESERVED` are handed in by the machinery and are no part of the schema. The class docstring
is the documentation (a summary line, Args, shapes, units, Returns, Raises, Source, Example). The classmethod `example`
builds the smallest working instance: the contract tests run it.

Any plug-in may have ``suits(question) -> bool``: the recipe check refuses it where it says no; and
``warn() -> Problem | None``: what the recipe check tells before any data is read.

Anything fitted has ``fit(...) -> State`` and is applied with that state later: see `Fitted transforms` in `Transform`
and `Safeguard`. Classes here are protocols: a plug-in satisfies its contract by having the methods and inherits nothing
(methods and networks are `torch.nn.Module`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from .batch import Batch, Directive, EpochEnd, Index, Step
from .cohort import Case, Cohort, Sample
from .drawn import Drawn, Turn
from .errors import Problem
from .evidence import Evidence, Finding, Predictions, Question, Verdict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .applied import Applied
    from .image import Image

#: Constructor parameters that the machinery fills in: they are no part of a recipe.
RESERVED = ("inputs", "width", "root", "networks")

#: A tree of arrays and JSON: what `fit` returns, sealed in the bundle.
State = Mapping[str, Any]


@dataclass(frozen=True)
class Nested:
    """Marks a parameter that is itself a plug-in of a folder, as in ``Annotated[dict | str, Nested("strategies")]``.

    With ``many`` the parameter is a list of them.
    """

    slot: str
    many: bool = False


@dataclass(frozen=True)
class Inputs:
    """What a network is fed, known once the cohort is prepared.

    Args:
        views: Names in a fixed order.
        channels: Channels of each view.
        space_dims: 2 or 3.
        patch: Voxels along each axis of a training patch, or of the whole prepared image.
        fields: Names of the numeric fields handed to the network.
    """

    views: tuple[str, ...]
    channels: int
    space_dims: int
    patch: tuple[int, ...]
    fields: tuple[str, ...] = ()


class Decoded(NamedTuple):
    """An output read as an answer.

    Args:
        probability: ``(batch, class, *space)`` probabilities, or ``(batch, quantity)`` values for regression.
        uncertainty: ``(batch, *space)`` in 0..1 where the objective defines one (evidential), else None.
        variance: ``(batch, quantity)`` of the noise around the value where the objective foretells one (gaussian).
        survival: ``(batch, time)`` share without the event at each of the question's times where the objective foretells
            curves (logistic_hazard); `probability` is then ``(batch, 1)``, the risk.
    """

    probability: Tensor
    uncertainty: Tensor | None = None
    variance: Tensor | None = None
    survival: Tensor | None = None


@runtime_checkable
class Dataset(Protocol):
    """``datasets/``: where do cases come from?

    The constructor takes the reserved ``root: Path``, the folder that the recipe's paths are relative to. Reads tables
    and file names, never pixels. `cohort_root` is the folder that the cases' sources are relative to.
    """

    def cases(self) -> Iterator[Case]: ...

    @property
    def cohort_root(self) -> Path: ...


@runtime_checkable
class Phantom(Protocol):
    """``phantoms/``: what does a case look like whose truth is known because it was put there?

    A pure function of the settings and the turn: every number comes from a generator of the turn, nothing from a
    clock, a file or a global generator. Files, formats, the table and burned-in text are the synthesis' business.
    """

    def draw(self, turn: Turn) -> Drawn: ...


@runtime_checkable
class Check(Protocol):
    """``checks/``: is this cohort, or this one case, fit for use?

    The images stream past once for all checks: `look` sees each opened case (None where it could not be read, then
    ``error`` says why) and returns a fact as JSON; the call sees every fact and reports every problem. The same check
    with one fact guards `predict`.

    One that learns from a cohort what is usual has ``fit(cohort, facts) -> State`` and ``with_state(state) -> Check``:
    fitted on the training cases it is sealed with the model, and what it then finds is an error.

    Attributes:
        reads: "nothing" (tables alone), or "pixels".
    """

    reads: str

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any: ...

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]: ...


@runtime_checkable
class Transform(Protocol):
    """``transforms/``: how is an image prepared or varied?

    `draw` decides; what it returns is applied later: all `Spatial` ones of a case compose into one map and one
    resampling, see `preceptor.core.applied`. A transform used for preparation must not draw from ``rng``. The sample
    holds images of one grid; in augmentation it is the patch, before it is varied.

    Attributes:
        reads_pixels: False promises that `draw` looks at grids, labels and fields alone: the arrays it is shown may
            then be empty stand-ins of the right shape (NaN), and nothing is read from disk for it. Default True.
        neutral: ``{parameter: value}`` at which nothing changes; `rand_augment` goes a share of the way from there to the
            setting given. A transform without it is always applied at full strength.

    Fitted transforms have ``fit(samples: Iterator[Sample]) -> State`` and ``with_state(state) -> Transform``.
    One that looks across views has ``with_case(sample) -> Transform``: it is shown the case as it was read.
    """

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied: ...


@runtime_checkable
class Task(Protocol):
    """``tasks/``: what is asked of the image?

    Attributes:
        question: The question as plain data.
        mask: Name of the dense truth among the case's masks, or None.
        varies: Whether the call changes images or targets (pretext tasks); the loader skips it otherwise.
    """

    question: Question
    mask: str | None
    varies: bool

    def encode(self, case: Case | Sample) -> dict[str, np.ndarray]:
        """Per-case targets ``{name: array}``: class index (-1 unlabelled) or float (NaN unlabelled). {} when dense."""

    def encode_mask(self, array: np.ndarray) -> np.ndarray:
        """File values to class indices, int8, -1 where unlabelled (dense tasks)."""

    def decode_mask(self, index: np.ndarray) -> np.ndarray:
        """Class indices back to file values (dense tasks)."""

    def __call__(
        self, images: dict[str, Tensor], targets: dict[str, Tensor], rng: np.random.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One sample's images ``(channel, *space)`` and targets, after augmentation."""


@runtime_checkable
class Objective(Protocol):
    """``objectives/``: how is an answer scored and read?

    Class index targets (integer) mean exclusive classes (softmax), float targets independent ones (sigmoid).

    Attributes:
        whole_batch: Looks across samples (Cox, contrast): gathered, or refused under accumulation. Default False.
    """

    def width(self, question: Question) -> int:
        """Channels the network must answer with. Raises RecipeError where the objective does not fit the question."""

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """``(batch,)``: the mean over what each sample has labelled; 0 where nothing is. `weight` is per voxel."""

    def count(self, target: Tensor) -> Tensor:
        """``(batch,)`` float: how much of each sample is labelled; 0 where nothing is."""

    def decode(self, output: Tensor, question: Question) -> Decoded:
        """Read the output as probabilities or values."""


@runtime_checkable
class Network(Protocol):
    """``networks/``: what computes the answer?

    An `nn.Module`. The constructor takes the reserved ``inputs: Inputs`` and ``width: int``. `forward` gets those of
    ``images`` ({view: tensor}), ``present`` ({view: (batch,)}) and ``fields`` it names; one that takes a single
    positional tensor under another name gets the only view. Returns a tensor, or ``{name: tensor}`` with ``answer``.
    An auxiliary output named like a view counts only where that view is present.

    Optional attributes: ``divisor`` (each spatial side had best be a multiple of it), ``last_features`` (name of the
    module that Grad-CAM reads by default, or one for each view), ``head`` (name of the module that transfer learning
    begins anew).
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any: ...


class Method(Protocol):
    """``methods/``: what else happens while training?

    An `nn.Module` with any of these hooks; those it does not define cost nothing. The constructor may take the reserved
    ``inputs: Inputs | None`` and ``root: Path | None`` (the recipe's folder). Its parameters join the optimizer
    unless ``own_optimizer`` is true; buffers and ``get_extra_state`` are checkpointed. The loop sets ``generator``
    (a `torch.Generator` of its own) before `setup`. It keeps a reference to the network outside `nn.Module`'s
    registry (``object.__setattr__(self, 'network', network)`` or a tuple).

    Attributes:
        before, after: Names of methods whose hooks must run later or earlier; otherwise hooks run in name order.
        second_order: Needs the gradient of a gradient.
        whole_batch: Looks across samples.
        own_optimizer: Keeps its own optimizer and steps it in `after_step`.
        needs_roles: Roles without whose cases it can't work (``("tune",)``): the recipe check asks the split for them.
    """

    def setup(self, network: Any, cohort: Cohort) -> None: ...
    def sampler(self, index: Index) -> np.ndarray: ...
    def on_batch(self, batch: Batch) -> Batch: ...
    def weight(self, step: Step) -> Tensor: ...
    def penalty(self, step: Step) -> Tensor: ...
    def after_step(self, step: Step) -> None: ...
    def after_epoch(self, end: EpochEnd) -> Directive | None: ...
    def weights(self, network: Any) -> Mapping[str, Tensor]: ...
    def members_of(self, network: Any) -> Iterator[Mapping[str, Tensor]]:
        """Weights of the networks that vote in place of the trained one, once the training is over; at most one."""


HOOKS = ("setup", "sampler", "on_batch", "weight", "penalty", "after_step", "after_epoch", "weights", "members_of")


@dataclass(frozen=True)
class Fitted:
    """One finished training.

    Args:
        path: Place in nested strategies: ``(2, 3)`` is ``fits/2/3``.
        folder: Holds ``best.safetensors``, ``last.safetensors`` and their JSON.
        score: Best score on the tune cases (None without tune cases, and of members drawn from a training).
        epochs: How many epochs ran.
        cohort: The cohort with the roles this training saw.
    """

    path: tuple[int, ...]
    folder: Path
    score: float | None
    epochs: int
    cohort: Cohort


#: `fit(recipe, cohort, start=None, path=()) -> list[Fitted]`: the type of the loop and of every bound strategy.
Fit = Callable[..., list[Fitted]]


@runtime_checkable
class Strategy(Protocol):
    """``strategies/``: how many trainings, in what order?  `bind` gives `fit`'s own type back, so strategies nest.

    Attributes:
        deals_roles: Deals train and test anew (folds); such a one inside another would train on the outer one's test
            cases, and the recipe check refuses it. Default False.
    """

    def bind(self, fit: Fit) -> Fit: ...


@dataclass(frozen=True)
class Pass:
    """One more forward pass that a safeguard asks for.

    Args:
        flip: Axes of space that are mirrored; the answer is mirrored back.
        dropout: Whether dropout is on.
        index: Which of several that would otherwise be alike; what is drawn at random is drawn by it.
        shift: Voxels to move the image along each axis of space, further ones being ignored; a dense answer is moved
            back.
        noise: Deviation of the noise that is added, as a share of the image's own.
        gamma: Power that grey values are raised to between the image's darkest and brightest.
    """

    flip: tuple[int, ...] = ()
    dropout: bool = False
    index: int = 0
    shift: tuple[int, ...] = ()
    noise: float = 0.0
    gamma: float = 1.0

    @property
    def is_fixed(self) -> bool:
        """Whether it is plain or mirrored alone: a fixed function of the image, that any program can run."""
        return not (self.dropout or self.noise or any(self.shift)) and self.gamma == 1


@dataclass
class Prediction:
    """One case's answer on its way through the safeguards.

    Args:
        key: The case.
        question: What was asked.
        probability: ``(class,)``, ``(quantity,)`` for regression, ``(1,)`` the risk (higher is sooner) for survival; None
            when dense.
        label: ``(*space,)`` uint8 class index on the prepared grid; None unless dense.
        top_probability, doubt: ``(*space,)`` uint8 (255 = 1.0) of the labelled class and of the uncertainty; dense
        only.
        affine_mm: Of the prepared grid.
        uncertainty: One number in 0..1 for the case; of a dense answer the mean over what is labelled as a structure,
            or over all of it where there is none. Of a regressed quantity the standard deviation of what is foretold,
            in its unit; NaN where one network foretells no noise.
        parts: Uncertainty by its source and other per-case numbers that safeguards leave. ``aleatoric`` (data) and
            ``epistemic`` (model), in nats or in the unit of a regressed quantity, stand here where there are several
            passes or members, or an objective that tells them apart.
        accepted: False once a safeguard refuses.
        reasons: Why it was refused, in plain words.
        sample: The prepared input (for input control).
        passes: ``(member * pass, class)`` probabilities of every pass made, all passes of the first member before those
            of the second (not dense).
        voxel_sample: For dense answers, voxels kept with all probabilities: ``index`` ``(voxel,)`` into the flattened
            grid, ``probability`` ``(voxel, class)`` float32.
        mask: For dense answers of a bundle, the label map in file values on the grid the image came in.
        pass_uncertainty: ``(member * pass,)`` the objective's own uncertainty of every pass, where it has one.
        pass_variance: ``(member * pass, quantity)`` noise foretold by every pass, where the objective foretells it.
        features: ``(member, width)`` pooled last features of a plain pass; only where a safeguard `reads_features`.
        outputs: ``(member, channel)`` what the networks said before it was read as probabilities, likewise; None
            where there is one per voxel.
        pass_agreement: ``(structure,)`` mean Dice between every two of the dense answers of all members and passes,
            where there are several; NaN where none found the structure.
        survival: ``(time,)`` foretold share without the event at each of the question's times, where the objective or a
            safeguard (baseline_hazard) gives curves.
    """

    key: str
    question: Question
    probability: np.ndarray | None = None
    label: np.ndarray | None = None
    top_probability: np.ndarray | None = None
    doubt: np.ndarray | None = None
    affine_mm: np.ndarray | None = None
    uncertainty: float = float("nan")
    parts: dict[str, float] = field(default_factory=dict)
    accepted: bool = True
    reasons: list[str] = field(default_factory=list)
    sample: Sample | None = None
    passes: np.ndarray | None = None
    voxel_sample: dict[str, np.ndarray] | None = None
    mask: Image | None = None
    pass_uncertainty: np.ndarray | None = None
    pass_variance: np.ndarray | None = None
    features: np.ndarray | None = None
    outputs: np.ndarray | None = None
    pass_agreement: np.ndarray | None = None
    survival: np.ndarray | None = None

    @property
    def data_uncertainty(self) -> float:
        """What the image itself leaves open (aleatoric); NaN where nothing told it apart. See `parts`."""
        return self.parts.get("aleatoric", float("nan"))

    @property
    def model_uncertainty(self) -> float:
        """What the model does not know (epistemic); NaN where nothing told it apart. See `parts`."""
        return self.parts.get("epistemic", float("nan"))

    def refuse(self, reason: str) -> None:
        self.accepted = False
        self.reasons.append(reason)


@runtime_checkable
class Safeguard(Protocol):
    """``safeguards/``: what stands between an output and the person who reads it?

    Three optional parts beside the call, used in this order:
    ``passes() -> list[Pass]``: further forward passes; their probabilities are averaged (voxel by voxel when dense).
    ``recalibrate(probability: Tensor (batch, class, *space)) -> Tensor``: pointwise, streams with the windows.
    ``keeps_answer = False`` says that it may move a probability across the point where the answer changes.
    ``fit(predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> State`` and ``with_state(state)``:
    ``fit_role`` names the role it is fitted on ("calibrate" by default).

    With ``reads_features = True`` the `Prediction` and the `Predictions` it gets hold ``features`` and ``outputs`` (one
    more plain pass of each network), and ``fit`` gets a third argument ``answers(role) -> Predictions``: the plain
    answers to the cases of any role, "train" for one. With ``reads_labels = True`` the `Predictions` hold ``labels``.
    """

    def __call__(self, prediction: Prediction) -> Prediction: ...


@runtime_checkable
class Evaluator(Protocol):
    """``evaluators/``: what do we measure?  Reads stored predictions, never the model.

    ``suits(question) -> bool`` says which questions it can judge; the recipe check asks it. One that compares roles
    names them in ``roles``; others get the test cases, and the external ones apart.
    One that chooses something beforehand (a threshold) has ``fit(predictions) -> State``, ``with_state(state)`` and
    ``fit_role``, the role it chooses on ("tune"), whose predictions must then be stored; and ``stated(finding)``, itself
    as a recipe would write it with what was chosen named, for cohorts that hold no such cases.
    """

    def suits(self, question: Question) -> bool: ...

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding: ...


@runtime_checkable
class Explainer(Protocol):
    """``explainers/``: why did it answer so?

    ``model(images) -> {name: tensor}`` is the network bound to the rest of the batch (`present`, `fields`);
    ``model.network`` is the `nn.Module`. ``target(outputs) -> (batch,)`` is what is explained.
    Returns ``{view: (batch, *space)}`` on the input's grid.
    """

    def __call__(
        self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]
    ) -> dict[str, Tensor]: ...


@runtime_checkable
class Gate(Protocol):
    """``gates/``: is it good enough to sign?"""

    def __call__(self, evidence: Evidence) -> Verdict: ...


CONTRACTS: Mapping[str, Any] = {
    "datasets": Dataset,
    "phantoms": Phantom,
    "checks": Check,
    "transforms": Transform,
    "tasks": Task,
    "objectives": Objective,
    "networks": Network,
    "methods": Method,
    "strategies": Strategy,
    "safeguards": Safeguard,
    "evaluators": Evaluator,
    "explainers": Explainer,
    "gates": Gate,
}
