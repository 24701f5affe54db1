"""The path of a case through the house: cohort, recipe, run, evidence. `Run.complete` is all of it, in order."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TextIO

from .core.cohort import Cohort
from .core.errors import CohortError, Problem
from .core.evidence import Evidence, Predictions
from .core.plugins import Fitted
from .core.slots import build, spec
from .recipe.resolve import Recipe


class Run:
    """One recipe's run and its folder.

    Args:
        recipe: The resolved recipe.
        folder: Where everything goes; made when missing, gone on with where it stopped.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        rehearse: Two cases a role, one epoch; phantoms where the data is not here.
        networks: Networks of the caller's own, by name.
        stream: Where progress is told; None is quiet.
        trackers: ``tensorboard``, ``mlflow``.
        source: The recipe's own file, copied into the folder.
        roots: Where given, the cohort's files must lie inside these folders, symbolic links followed.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        device: str = "auto",
        rehearse: bool = False,
        networks: Mapping[str, Any] | None = None,
        stream: TextIO | None = sys.stderr,
        trackers: Sequence[str] = (),
        source: Path | None = None,
        roots: Sequence[Path] | None = None,
    ) -> None:
        from .learn.journal import Journal

        self.recipe, self.folder, self.device = recipe, folder, device
        self.rehearse, self.networks, self.source, self.roots = rehearse, dict(networks or {}), source, roots
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(folder, stream, tuple(trackers))

    # ---------------------------------------------------------------- the path

    def complete(self) -> Run:
        """Walk the whole path. What is already in the folder is not done again.

        Raises:
            CohortError: The cohort is not fit for use; every problem is listed.
            PrepareError: An image could not be read or prepared.
            TrainError: Training can't go on.
            Refusal: A safeguard can't keep its promise.
        """
        began = time.monotonic()
        self._write_recipe()
        cohort, problems = self._checked_cohort()
        fitted = self._train(cohort)
        if self.fabric.is_global_zero:
            self._predict(cohort, fitted)
            self._judge(cohort, problems, time.monotonic() - began)
            self._report()
        self.fabric.barrier()
        return self

    # ---------------------------------------------------------------- its stages

    def _write_recipe(self) -> None:
        """The recipe as given, and with every default written back; a rehearsal's says what it cut."""
        if self.source is not None:
            (self.folder / "recipe.yaml").write_text(self.source.read_text(encoding="utf-8"), encoding="utf-8")
        (self.folder / "resolved.yaml").write_text(self.recipe.to_yaml(beside=self.folder), encoding="utf-8")

    def _checked_cohort(self) -> tuple[Cohort, list[Problem]]:
        """Build the cohort, look at every image once, merge identities, split; refuse what is not fit for use."""
        from .intake.checking import check_cohort, read_problems, write_checked
        from .intake.confining import refuse_outside
        from .intake.rehearsal import few_cases

        stored, problems = self.folder / "cohort.parquet", read_problems(self.folder)
        if stored.exists() and problems is not None:
            return Cohort.read(stored), problems
        cohort = self._cohort()
        if self.roots is not None:
            refuse_outside(cohort, self.roots)
        who = f"{len({case.cluster for case in cohort})} patients" if cohort.knows_patients else "no patient is named"
        self.journal.say(f"cohort: {len(cohort)} cases, {who}")
        settings = (self.recipe.checks, self.recipe.split, self.recipe.seed)
        seen = self.folder / "survey"
        cohort, problems, facts = check_cohort(cohort, *settings, self.task, progress=self.journal.bar, keep=seen)
        for problem in problems:
            self.journal.say(f"{problem.severity}: {problem}")
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise CohortError(
                f"the cohort is not fit for use: {len(errors)} problem{'s' if len(errors) > 1 else ''}",
                where=self.recipe.study,
                remedy="mend the data, or exclude the cases by the recipe",
                code="cohort_unfit",
                problems=errors,
            )
        if self.rehearse:
            question = self.task.question
            cohort = few_cases(cohort, event=question.follow_up_columns[1] if question.task == "survival" else None)
        write_checked(self.folder, problems, facts)
        cohort.write(stored)
        shutil.rmtree(seen)
        return cohort, problems

    def _cohort(self) -> Cohort:
        from .intake.cohort import build_cohort

        try:
            cohort = build_cohort(build("datasets", self.recipe.cohort, root=self.recipe.folder), self.recipe.study)
        except CohortError as error:
            if not self.rehearse or error.problem.code != "data_absent":
                raise
            self.journal.say("rehearsal: the data is not here; phantoms of the same task, views and labels stand in")
            from .intake.rehearsal import stand_in

            cohort = stand_in(self.recipe, self.folder / "stand_in")
        return cohort

    def _train(self, cohort: Cohort) -> list[Fitted]:
        from .learn.fit import fit

        strategy = build("strategies", self.recipe.strategy).bind(partial(fit, shop=self._workshop()))
        fitted = strategy(self.recipe, cohort)
        self.journal.say(f"trained: {len(fitted)} fit{'s' if len(fitted) > 1 else ''}")
        return fitted

    def _predict(self, cohort: Cohort, fitted: list[Fitted]) -> None:
        """Every group of fits that shares its roles answers its test, external and calibration cases together."""
        from preceptor.prove.comparing.baselines import write_baselines
        from preceptor.prove.comparing.member_spread import answer_members, write_members

        from .deliver.group import write_group
        from .intake.checking import fit_checks, read_facts
        from .prove.answering import answer_cases, fit_safeguards
        from .prove.grouping import group_name, voting_groups
        from .prove.storing import write_predictions, write_safeguards

        if (self.folder / "predictions.parquet").exists():
            return
        answers: list[Predictions] = []
        baselines: list[Mapping[str, Predictions]] = []
        alone: list[list[Predictions]] = []
        groups = voting_groups(fitted)
        for number, group in enumerate(groups):
            model = self.model(group)
            store, members = self._prepare(group[0].cohort), group[0].cohort
            given = [build("safeguards", each) for each in self.recipe.safeguards]
            answering = fit_safeguards(model, given, members, store, self.task, self.recipe.seed, self.journal.say)
            cases = members.with_role(*self._answered_roles())
            answers.append(
                answer_cases(
                    answering,
                    cases,
                    members,
                    store,
                    self.task,
                    seed=self.recipe.seed,
                    fit=group_name(group),
                    maps=self.folder / "maps",
                    progress=partial(self._tell_predicting, len(cases)),
                )
            )
            write_safeguards(self.folder / "fits" / group_name(group), self.recipe.safeguards, answering.states)
            learnt = fit_checks(self.recipe.checks, members, read_facts(self.folder))
            write_group(self.folder, group, model.inputs, store.states, learnt, self._expected_input(members))
            self._explain(model, store, members, answers[-1], number, len(groups))
            baselines.append(self._baselines(members, store, group_name(group)))
            alone.append(
                answer_members(
                    model,
                    members.with_role("test", *self._chosen_on()),
                    members,
                    store,
                    self.task,
                    seed=self.recipe.seed,
                    folder=self.folder,
                    fit=group_name(group),
                )
            )
        write_baselines(self.folder, baselines)
        write_members(self.folder, alone)
        write_predictions(self.folder, answers)

    def _answered_roles(self) -> list[str]:
        """Whose answers are stored: of those that are measured, and of those that an evaluator chooses something on."""
        return sorted({"test", "external", "calibrate", *self._chosen_on()})

    def _chosen_on(self) -> set[str]:
        """Roles on which evaluators choose something, such as a threshold."""
        made = [build("evaluators", each) for each in self.recipe.evaluate]
        return {each.fit_role for each in made if hasattr(each, "fit_role")}

    def _tell_predicting(self, total: int, done: int) -> None:
        self.journal.bar("predicting", done, total)

    def _expected_input(self, cohort: Cohort) -> dict[str, Any]:
        """The kind of images the training cases are, from up to thirty originals: what a bundle is later shown."""
        from .deliver.expected import describe
        from .intake.case import open_case

        cases = cohort.with_role("train")
        chosen = cases[:: max(1, len(cases) // 30)]
        return describe(open_case(cohort.root, case, masks=()) for case in chosen)

    def _baselines(self, cohort: Cohort, store: Any, fit: str) -> Mapping[str, Predictions]:
        """The least that the model must beat, made without asking from the same training cases."""
        from preceptor.learn.journal import Journal
        from preceptor.prove.comparing.baseline_models import plain_cnn
        from preceptor.prove.comparing.baselines import answer_baselines

        # Its epochs are no part of the run's journal.
        quiet = Journal(None, None)
        shop = replace(self._workshop(), folder=self.folder / "baselines" / "trained" / fit, journal=quiet)
        seconds = 60 if self.task.question.dense else 120
        trained = partial(plain_cnn, self.recipe, cohort, shop, seconds=seconds, most_epochs=5, cases=500)
        fits = len(cohort.views) == 1 and spec(self.recipe.network)[0] != "cnn"
        return answer_baselines(
            cohort,
            store,
            self.task,
            seed=self.recipe.seed,
            folder=self.folder,
            fit=fit,
            cnn=trained if fits else None,
            tell=self.journal.say,
        )

    def _explain(self, model: Any, store: Any, cohort: Cohort, answers: Predictions, number: int, groups: int) -> None:
        """A few test cases of every group, six or so in all; the first group's maps are held against what they claim."""
        if not self.recipe.explain:
            return
        from preceptor.prove.explaining.explain import explain_cases
        from preceptor.prove.explaining.trusting import trust_of

        folder, most = self.folder / "explanations", 2 if self.rehearse else -(-6 // groups)
        cases = cohort.with_role("test", "external")
        self.journal.say(f"explaining {min(most, len(cases))} of {len(cases)} test cases")
        samples = [store.sample(case.key) for case in cases[: 2 if self.rehearse else 6]]
        explain_cases(model, samples[:most], self.recipe.explain, folder, first=number * most)
        if number == 0:
            self.journal.say("checking whether the maps can be trusted")
            told = {} if self.task.question.dense else dict(zip(answers.table["key"], _right(answers), strict=True))
            right = [told.get(sample.key) for sample in samples]
            seconds = 3 if self.rehearse else 30
            trust_of(model, samples, self.recipe.explain, folder, right=right, seconds=seconds, seed=self.recipe.seed)

    def _judge(self, cohort: Cohort, problems: Sequence[Problem], seconds: float) -> None:
        from preceptor.prove.comparing.baselines import judge_baselines, read_baselines
        from preceptor.prove.comparing.external import changes_within
        from preceptor.prove.comparing.member_spread import member_spread, read_members, spread_facts

        from .prove.environment import write_environment
        from .prove.judging import judge

        facts = {
            "recipe": self.recipe.digest(),
            "cohort": cohort.digest(),
            "seed": self.recipe.seed,
            "device": str(self.fabric.device),
            "seconds": round(seconds, 1),
            "rehearsal": self.rehearse,
        }
        write_environment(self.folder, facts)
        predictions, asked = self.predictions, self.recipe.evaluate
        evidence = judge(predictions, cohort, asked, [], problems, facts)
        spreads = member_spread(read_members(self.folder, self.task.question), evidence, cohort, asked)
        if spreads:
            self.journal.say(f"alone and together: {spread_facts(spreads)}")
        # Gates come last: they may ask for the change to the external cases, or for the spread over members.
        evidence = replace(evidence, findings={**evidence.findings, **changes_within(evidence), **spreads})
        verdicts = tuple(build("gates", each)(evidence) for each in self.recipe.gates)
        evidence = replace(evidence, verdicts=verdicts)
        baselines = read_baselines(self.folder, self.task.question)
        if baselines:
            beside = judge_baselines(baselines, predictions, evidence, cohort, asked)
            evidence = replace(evidence, facts={**evidence.facts, "baselines": beside})
            self.journal.say(f"beside baselines: {beside['summary']}")
        evidence.write(self.folder / "evidence.json")
        for name, finding in evidence.items():
            interval = "" if finding.interval is None else f" [{finding.interval[0]:.3f}, {finding.interval[1]:.3f}]"
            self.journal.say(f"{name}: {finding.value:.3f}{interval} {finding.unit}".rstrip())
        for verdict in evidence.verdicts:
            held = "holds" if verdict.passed else "DOES NOT HOLD"
            self.journal.say(f"gate {verdict.gate}: {held}. {verdict.sentence}")

    def _report(self) -> None:
        from preceptor.prove.report.writing import write_report

        path = write_report(self.folder)
        self.journal.say(f"report: {path}")

    # ---------------------------------------------------------------- what the stages share

    @cached_property
    def task(self) -> Any:
        return build("tasks", self.recipe.task)

    @cached_property
    def fabric(self) -> Any:
        """Lightning Fabric: the device, the precision and the processes (`torchrun` sets their number)."""
        import lightning_fabric

        world = int(os.environ.get("WORLD_SIZE", "1"))
        fabric = lightning_fabric.Fabric(
            accelerator="gpu" if self.device == "cuda" else self.device,
            devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            strategy="ddp" if world > 1 else "auto",
            precision="32-true" if self.recipe.train.precision == "32" else "bf16-mixed",
        )
        fabric.launch()
        return fabric

    def _workshop(self) -> Any:
        from .learn.workshop import Workshop
        from .prove.tuning_score import tuning_score

        score, higher = tuning_score(self.task.question)
        return Workshop(
            folder=self.folder,
            task=self.task,
            fabric=self.fabric,
            prepare=self._prepare,
            score=score,
            higher_is_better=higher,
            journal=self.journal,
            networks=self.networks,
            rehearse=self.rehearse,
        )

    def _prepare(self, cohort: Cohort) -> Any:
        """The cohort on the prepared grid. Process 0 prepares; the others find it done."""
        from .deliver.segmenting import bundle_segmenter
        from .prepare.segmenter import open_bundles_with
        from .prepare.store import prepare, side_by_side

        open_bundles_with(bundle_segmenter)
        if not self.fabric.is_global_zero:
            self.fabric.barrier()
        store = prepare(
            cohort,
            [build("transforms", each, root=self.recipe.folder) for each in self.recipe.prepare],
            self.task,
            self.folder / "prepared",
            fit_on=cohort.with_role("train"),
            workers=side_by_side(),
            storage=self.recipe.train.storage,
            progress=lambda done, total: self.journal.bar("preparing", done, total),
        )
        if self.fabric.is_global_zero:
            self.fabric.barrier()
        return store

    def model(self, fitted: Sequence[Fitted]) -> Any:
        """The model of fits that vote together."""
        from .learn.model import Model, inputs_of

        sample = self._prepare(fitted[0].cohort).sample(fitted[0].cohort.with_role("train")[0].key)
        inputs = inputs_of(fitted[0].cohort, sample, self.recipe.train.patch)
        weights = [each.folder / "best" for each in fitted]
        return Model.load(
            self.recipe, self.task.question, inputs, weights, device=self.fabric.device, networks=self.networks
        )

    # ---------------------------------------------------------------- what a caller reads

    @property
    def evidence(self) -> Evidence:
        return Evidence.read(self.folder / "evidence.json")

    @property
    def predictions(self) -> Predictions:
        from .prove.storing import read_predictions

        return read_predictions(self.folder, self.task.question)

    def seal(self, path: str | Path, key: Path | None = None) -> Any:
        """Seal the run into a bundle.

        Raises:
            Refusal: A gate does not hold.
        """
        from .deliver.bundle import Bundle, seal

        seal(self.folder, path, key)
        return Bundle.open(path, networks=self.networks)


def _right(answers: Predictions) -> list[bool | None]:
    """Whether each answer was right; None where no class was to be named, or nobody knows."""
    if answers.question.is_regression:
        return [None] * len(answers)
    pairs = zip(answers.table["answer"], answers.table["truth"], strict=True)
    return [None if truth is None or truth != truth else bool(answer == truth) for answer, truth in pairs]
