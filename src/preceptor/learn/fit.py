"""THE LOOP. Read it from `fit` down: it is the whole training, and there is no other.

    loss = sum over objectives of weight * (sum_i loss_i * product of methods' weights_i * count_i / sum_i count_i)
           + sum over methods of penalty

The counts need targets alone, so they are added up over all micro-batches and all processes of a step before going
backward: one batch of 16, two of 8 accumulated, and two processes with 8 each give the same gradient. There is no DDP
wrapper: after backward, every gradient the optimizer owns is all-reduced, the methods' too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preceptor.core.batch import Batch, Directive, EpochEnd, Step
from preceptor.core.cohort import Cohort
from preceptor.core.errors import TrainError
from preceptor.core.plugins import Fitted
from preceptor.core.slots import build, spec

from . import checkpoint
from .call import call
from .hooks import Methods, Taps
from .members import members_of, write_members
from .memory import estimate_memory
from .model import inputs_of
from .optimizer import learning_rate_factor, make_optimizer
from .predict import Window, predict
from .processes import Processes
from .randomness import generators, restore_generators, seed_everything
from .weighted_sum import WeightedSum
from .workshop import Workshop


def fit(
    recipe: Any, cohort: Cohort, start: Path | None = None, path: tuple[int, ...] = (), *, shop: Workshop
) -> list[Fitted]:
    """Train once.

    Args:
        recipe: The resolved recipe.
        cohort: With roles: `train` (and `adapt`, its labels hidden) is learnt from, `tune` is scored.
        start: Weights to begin from (a ``.safetensors`` of another fit), for stages and federated rounds.
        path: Place in nested strategies; the training writes to ``fits/<path>``.
        shop: What the run hands in.

    Returns:
        One `Fitted`, or one for each network that a method draws from the training (`members_of`).

    Raises:
        TrainError: The loss is not finite (the cases are named), or no training case is left.
        RecipeError: The recipe's parts do not fit each other.
    """
    folder = shop.folder / "fits" / "/".join(map(str, path or (0,)))
    finished = checkpoint.finished(folder)
    if finished is not None:
        return _fitted(path, folder, finished, cohort)
    training = Training(recipe, cohort, shop, folder, path, start)
    try:
        training.resume()
        while training.epoch < recipe.train.epochs and not training.stopped:
            training.run_epoch()
        facts = training.finish()
    finally:
        training.taps.remove()
    return _fitted(path, folder, facts, cohort)


def _fitted(path: tuple[int, ...], folder: Path, finished: Mapping[str, Any], cohort: Cohort) -> list[Fitted]:
    """The training, or the members that a method drew from it."""
    whole = Fitted(path, folder, finished["score"], finished["epochs"], cohort)
    return members_of(whole, finished.get("members", 0)) or [whole]


class Training:
    """One training: its parts, and what it does in an epoch. Everything that changes is in `state`."""

    def __init__(
        self, recipe: Any, cohort: Cohort, shop: Workshop, folder: Path, path: tuple[int, ...], start: Path | None
    ) -> None:
        self.recipe, self.cohort, self.shop, self.folder = recipe, cohort, shop, folder
        self.settings = recipe.train
        self.seed = int(np.random.SeedSequence([recipe.seed, *path]).generate_state(1)[0])
        folder.mkdir(parents=True, exist_ok=True)
        if not cohort.with_role("train"):
            raise TrainError("no case has the role 'train'", remedy="give `split` a train share", code="no_train_cases")

        seed_everything(self.seed)
        self.store = shop.prepare(cohort)
        self.processes = Processes(shop.fabric, self.settings.accumulate)
        self.objectives = WeightedSum(recipe.objective, shop.task.question)
        self.loader = self._make_loader()
        sample = self.store.sample(cohort.with_role("train")[0].key)
        self.inputs = inputs_of(cohort, sample, self.settings.patch)
        self.methods = Methods(recipe.methods, self.seed, inputs=self.inputs, root=getattr(recipe, "folder", None))
        seed_everything(self.seed)
        self.network = self._make_network().to(shop.fabric.device)
        if start is not None:
            checkpoint.load_weights(self.network, start)
        self.methods.to(shop.fabric.device)
        self.network.train()
        self.methods.call("setup", self.network, cohort)
        self.methods.to(shop.fabric.device)
        self.taps = Taps(
            self.network,
            wanted=any(True for hook in ("weight", "penalty", "after_step") for _ in self.methods.having(hook)),
        )
        self._refuse_what_needs_a_whole_batch()
        self.optimizer = self._make_optimizer()

        self.epoch = 0
        self.position = 0  # batches of this epoch already learnt from
        self.rate = 1.0  # what methods have multiplied the learning rates by
        self.best: float | None = None
        self.scores: list[float] = []
        self.stopped = False
        self.sums: dict[str, list[float]] = {}
        self._seconds = dict.fromkeys(("data", "forward", "backward", "checkpoint", "tune"), 0.0)
        self._saved_at = time.monotonic()
        self.shop.journal.say(
            estimate_memory(self.network, self.inputs, self.settings.batch_size, self.objectives.width)
        )

    # ---------------------------------------------------------------- an epoch

    def run_epoch(self) -> None:
        """Learn from every batch of the epoch, tune, tell the methods, checkpoint."""
        if self.position == 0:
            self.sums = {}
        began = time.monotonic()
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        per_step = self.processes.per_step
        steps = math.ceil(self.loader.steps_per_epoch / per_step)
        batches = self._batches()
        while group := self._timed("data", lambda: list(islice(batches, self.settings.accumulate))):
            self._learn([batch.to(self.shop.fabric.device) for batch in group])
            self.position += per_step
            step = self.position // per_step
            self.shop.journal.bar(f"epoch {self.epoch + 1}/{self.settings.epochs}", min(step, steps), steps)
            if step < steps and self._checkpoint_is_due():
                self.save()
        score = self._timed("tune", self._tune)
        self._end_epoch(score, began)

    def _learn(self, batches: list[Batch]) -> None:
        """One optimizer step from the micro-batches of this process."""
        progress = self._progress()
        self.objectives.set_progress(progress)
        self._set_learning_rate()
        batches = [self._hooked(batch) for batch in batches]
        counts = [self.objectives.counts(batch) for batch in batches]
        totals = self.processes.total_counts(counts, [term.name for term in self.objectives.terms])
        micro_batches = self.processes.sum(torch.tensor(float(len(batches))))
        self.optimizer.zero_grad(set_to_none=True)
        step = None
        for batch in batches:
            step, loss = self._timed(
                "forward", lambda batch=batch: self._forward(batch, progress, totals, float(micro_batches))
            )
            self._timed("backward", lambda loss=loss: loss.backward() if loss.requires_grad else None)
        self.processes.sum_gradients(self._owned_parameters())
        if self.settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(self._owned_parameters(), self.settings.clip_norm)
        self._timed("backward", self.optimizer.step)
        if step is not None:
            self.methods.call("after_step", step)
        self.taps.clear()

    def _hooked(self, batch: Batch) -> Batch:
        for _, method in self.methods.having("on_batch"):
            batch = method.on_batch(batch)
        return batch

    def _forward(
        self, batch: Batch, progress: float, totals: dict[str, float], micro_batches: float
    ) -> tuple[Step, torch.Tensor]:
        """One forward pass, and the part of the step's loss it stands for."""
        with self.shop.fabric.autocast():
            outputs = call(self.network, batch.images, batch.present, batch.fields)
        losses = self.objectives.losses(outputs, batch)
        counts = self.objectives.counts(batch)
        self._refuse_not_finite(losses, counts, batch)
        step = Step(
            batch=batch,
            outputs=outputs,
            losses=losses,
            counts=counts,
            progress=progress,
            epoch=self.epoch,
            activation=self.taps,
            rerun=self._rerun,
            loss_of=lambda output: self.objectives.of(output, batch),
            network=self.network,
        )
        factor = None
        for weight in self.methods.call("weight", step).values():
            factor = weight if factor is None else factor * weight
        loss = self.objectives.total(losses, counts, totals, factor)
        self._note("loss", float(loss.detach()) * micro_batches)
        for name, penalty in self.methods.call("penalty", step).items():
            if penalty is not None:
                loss = loss + penalty / micro_batches
                self._note(name, float(penalty.detach()))
        if not torch.isfinite(loss):
            raise self._not_finite("a method's penalty is not finite", batch.keys)
        return step, loss

    def _rerun(self, batch: Batch) -> dict[str, torch.Tensor]:
        with self.taps.aside(), self.shop.fabric.autocast():
            return call(self.network, batch.images, batch.present, batch.fields)

    def _end_epoch(self, score: float | None, began: float) -> None:
        better = not self.cohort.with_role("tune") if score is None else self._is_better(score)
        if score is not None:
            self.scores.append(score)
            self.best = score if better else self.best
        losses = {name: total / max(count, 1) for name, (total, count) in self.sums.items()}
        end = EpochEnd(self.epoch, score, self.shop.higher_is_better, self.best, losses)
        directives = [each or Directive() for each in self.methods.call("after_epoch", end).values()]
        self.stopped = any(directive.stop for directive in directives)
        if any(directive.rebuild_optimizer for directive in directives):
            self.optimizer = self._make_optimizer()
        self.rate *= math.prod(directive.learning_rate_factor for directive in directives)
        self.epoch += 1
        self.position = 0
        if better:
            self._timed("checkpoint", self._save_best)
        self._timed("checkpoint", self.save)
        self._log_epoch(score, better, losses, time.monotonic() - began)

    def _is_better(self, score: float) -> bool:
        if self.best is None:
            return True
        return score > self.best if self.shop.higher_is_better else score < self.best

    # ---------------------------------------------------------------- tuning

    def _tune(self) -> float | None:
        """The score on the tune cases with the weights that would be sealed; None without such, or not this epoch."""
        cases = self.cohort.with_role("tune")
        last = self.epoch + 1 >= self.settings.epochs
        if not cases or ((self.epoch + 1) % self.settings.tune_every and not last):
            return None
        with self._sealed_weights(), _evaluating(self.network):
            predictions, truths = [], []
            for case in cases:
                sample = self.store.sample(case.key)
                predictions.append(
                    predict(
                        [self.network],
                        sample,
                        inputs=self.inputs,
                        question=self.shop.task.question,
                        decode=self.objectives.decode,
                        window=self.window(),
                        device=self.shop.fabric.device,
                        precision=self.settings.precision,
                    )
                )
                truths.append(truth_of(self.shop.task, sample))
        return float(self.shop.score(predictions, truths))

    def window(self) -> Window:
        """How whole scans are walked through."""
        return Window(self.inputs.patch, self.settings.overlap, self.settings.batch_size)

    @contextmanager
    def _sealed_weights(self) -> Iterator[None]:
        """The network with the weights a method keeps (an average, say) in place of those being trained."""
        averaged = next(iter(self.methods.call("weights", self.network).values()), None)
        if averaged is None:
            yield
            return
        kept = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict({**kept, **averaged})
        try:
            yield
        finally:
            self.network.load_state_dict(kept)

    # ---------------------------------------------------------------- checkpoints

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs to be the same training, bit for bit."""
        return {
            "network": self.network.state_dict(),
            "frozen": [name for name, parameter in self.network.named_parameters() if not parameter.requires_grad],
            "evaluating": [name for name, module in self.network.named_modules() if not module.training],
            "optimizer": self.optimizer.state_dict(),
            "methods": self.methods.state(),
            "epoch": self.epoch,
            "position": self.position,
            "rate": self.rate,
            "best": self.best,
            "scores": self.scores,
            "stopped": self.stopped,
            "sums": self.sums,
            "generators": generators(),
        }

    def save(self) -> None:
        if self.shop.fabric.is_global_zero:
            checkpoint.save(self.folder, self.state())
        self._saved_at = time.monotonic()

    def resume(self) -> None:
        """Go on from the last whole checkpoint, if there is one."""
        state = checkpoint.load(self.folder, self.shop.journal.say)
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in state["frozen"])
        for name, module in self.network.named_modules():
            module.training = name not in state["evaluating"]
        self.methods.load_state(state["methods"])
        self.optimizer = self._make_optimizer()
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.position, self.rate = state["epoch"], state["position"], state["rate"]
        self.best, self.scores, self.stopped, self.sums = (
            state["best"],
            state["scores"],
            state["stopped"],
            state["sums"],
        )
        restore_generators(state["generators"])
        self.shop.journal.say(f"resumed at epoch {self.epoch + 1}, batch {self.position}")

    def _save_best(self) -> None:
        if self.shop.fabric.is_global_zero:
            with self._sealed_weights():
                checkpoint.save_weights(self.folder / "best", self.network, {"epoch": self.epoch, "score": self.best})

    def finish(self) -> Mapping[str, Any]:
        """Say that this training is whole: it is not done again.

        Returns:
            What stands in ``finished.json``.
        """
        if self.shop.fabric.is_global_zero:
            members = self._write_members()
            checkpoint.finish(self.folder, {"score": self.best, "epochs": self.epoch, "members": members})
        self.shop.fabric.barrier()
        return checkpoint.finished(self.folder) or {"score": self.best, "epochs": self.epoch}

    def _write_members(self) -> int:
        """The networks that a method draws from this training; 0 where none does."""
        drawn = next(iter(self.methods.call("members_of", self.network).values()), None)
        if drawn is None:
            return 0

        def batches() -> Iterator[Batch]:
            return (batch.to(self.shop.fabric.device) for batch in self._batches())

        facts = {"epoch": self.epoch, "score": None}
        with self.shop.fabric.autocast():
            return write_members(self.folder, self.network, drawn, batches, facts)

    def _checkpoint_is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= 60 * self.settings.checkpoint_every_minutes

    # ---------------------------------------------------------------- parts

    def _make_loader(self) -> Any:
        from preceptor.prepare.loader import Loader

        hidden = tuple(case.key for case in self.cohort.with_role("adapt"))
        return Loader(
            self.store,
            self.cohort.with_role("train", "adapt"),
            self.shop.task,
            views=self.cohort.views,
            batch_size=self.settings.batch_size,
            seed=self.seed,
            augment=[
                build("transforms", each, root=getattr(self.recipe, "folder", None)) for each in self.recipe.augment
            ],
            patch=self.settings.patch,
            patches_per_case=self.settings.patches_per_case,
            foreground_share=self.settings.foreground_share,
            boundary_share=self.settings.boundary_share,
            workers=self.settings.workers,
            hide_labels=hidden,
            augment_on=self.shop.fabric.device if self.settings.augment_on == "device" else None,
        )

    def _make_network(self) -> torch.nn.Module:
        name, _ = spec(self.recipe.network)
        own = self.shop.networks.get(name)
        if isinstance(own, torch.nn.Module):
            return own
        if own is not None:
            return own(self.inputs, self.objectives.width)
        return build("networks", self.recipe.network, inputs=self.inputs, width=self.objectives.width)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(self.settings.optimizer, [*self.network.parameters(), *self.methods.parameters()])

    def _owned_parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _batches(self) -> Iterator[Batch]:
        """This process's share of the epoch's batches, from where the epoch stands."""
        chosen = next(iter(self.methods.call("sampler", self.loader.index).values()), None)
        share = self.processes.share
        return self.loader.epoch(self.epoch, start=self.position, probability=chosen, share=share)

    def _progress(self) -> float:
        steps = max(self.loader.steps_per_epoch, 1)
        return min((self.epoch + self.position / steps) / self.settings.epochs, 1.0)

    def _set_learning_rate(self) -> None:
        factor = learning_rate_factor(
            self.settings.schedule,
            epoch=self._progress() * self.settings.epochs,
            epochs=self.settings.epochs,
            scores=self.scores,
            higher_is_better=self.shop.higher_is_better,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("base_lr", group["lr"]) * factor * self.rate

    def _refuse_what_needs_a_whole_batch(self) -> None:
        several = self.settings.accumulate > 1 or self.shop.fabric.world_size > 1
        needing = [name for name, method in self.methods.by_name.items() if getattr(method, "whole_batch", False)]
        needing += [term.name for term in self.objectives.terms if getattr(term.objective, "whole_batch", False)]
        if several and needing:
            raise TrainError(
                f"{', '.join(needing)} looks across a batch, which accumulation or several processes tear apart",
                expected="train.accumulate 1 and one process",
                remedy="raise train.batch_size instead",
                code="whole_batch",
            )

    # ---------------------------------------------------------------- watching

    def _refuse_not_finite(
        self, losses: dict[str, torch.Tensor], counts: dict[str, torch.Tensor], batch: Batch
    ) -> None:
        for name, loss in losses.items():
            bad = ~torch.isfinite(loss) & (counts[name] > 0)
            if bad.any():
                raise self._not_finite(
                    f"the loss '{name}' is not finite", [batch.keys[i] for i in bad.nonzero().flatten()]
                )

    def _not_finite(self, what: str, keys: list[str]) -> TrainError:
        return TrainError(
            f"{what} in epoch {self.epoch + 1}",
            where=f"case {', '.join(dict.fromkeys(keys))}",
            expected="a finite number",
            remedy="look at these cases (`preceptor cohort check`), lower train.optimizer's lr, or set train.clip_norm",
            code="loss_not_finite",
        )

    def _note(self, name: str, value: float) -> None:
        total, count = self.sums.get(name, (0.0, 0))
        self.sums[name] = [total + value, count + 1]

    def _timed(self, what: str, work: Any) -> Any:
        began = time.perf_counter()
        result = work()
        self._seconds[what] += time.perf_counter() - began
        return result

    def _log_epoch(self, score: float | None, better: bool, losses: dict[str, float], seconds: float) -> None:
        shares = {name: spent / max(seconds, 1e-9) for name, spent in self._seconds.items()}
        bottleneck = max(shares, key=lambda name: shares[name])
        rate = self.optimizer.param_groups[0]["lr"]
        self.shop.journal.record(
            "epoch",
            fit=self.folder.relative_to(self.shop.folder / "fits").as_posix(),
            epoch=self.epoch,
            losses=losses,
            score=score,
            best=self.best,
            learning_rate=rate,
            seconds=seconds,
            shares=shares,
            bottleneck=bottleneck,
        )
        told = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        scored = "" if score is None else f", tune {score:.4f}{' (best)' if better else ''}"
        spent = " ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.005)
        self.shop.journal.say(
            f"epoch {self.epoch}/{self.settings.epochs}  {told}{scored}  {seconds:.1f} s "
            f"({spent}; bottleneck: {bottleneck})"
        )


def truth_of(task: Any, sample: Any) -> Any:
    """The sample's truth on the prepared grid: class indices when dense, else the encoded target."""
    if task.mask is not None:
        return sample.masks[task.mask].array[0]
    return task.encode(sample)[task.question.target]


@contextmanager
def _evaluating(network: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards every module in the mode it was in: a frozen body stays in its own."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
