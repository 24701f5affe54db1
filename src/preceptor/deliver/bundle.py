"""The bundle: one sealed file with all that it takes to predict, and the evidence for doing so."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core.errors import BundleError, PreceptorError, Problem, Refusal
from preceptor.core.evidence import Evidence, Predictions, Question
from preceptor.core.slots import build

from .card import card_of, write_card
from .container import Container, damaged, public_key, write_container
from .group import (
    Group,
    check_states,
    members_of,
    prepare_states,
    read_group,
    read_groups,
    safeguard_states,
    with_states,
)
from .sealed_recipe import read_sealed_recipe

if TYPE_CHECKING:
    from preceptor.core.cohort import Cohort
    from preceptor.core.plugins import Prediction
    from preceptor.recipe.resolve import Recipe

    from .council import Council


def seal(run_folder: str | Path, path: str | Path, key: str | Path | None = None) -> Path:
    """Seal a run into a bundle.

    It holds the weights of every fit, the fitted states of preparation and safeguards, the resolved recipe, the
    evidence, the versions it was made with and a model card. It holds no image and no prediction.

    Args:
        run_folder: A run that has come to its end.
        path: Of the bundle to write, ``….preceptor``.
        key: An Ed25519 private key (PEM) to sign with.

    Returns:
        The path.

    Raises:
        Refusal: A gate does not hold.
        BundleError: The run is not complete, or one of its files is damaged.
    """
    run_folder, path = Path(run_folder), Path(path)
    evidence = _evidence(run_folder)
    refuse_unless_passed(evidence, run_folder)
    groups = read_groups(run_folder)
    recipe = _recipe(run_folder)
    files: dict[str, bytes | Path] = {}
    for index, group in enumerate(groups):
        files |= members_of(run_folder, index, group)
    missing = [name for name, file in files.items() if not Path(str(file)).is_file()]
    if missing:
        raise BundleError(
            f"the run lacks {len(missing)} of the files that a bundle holds: {', '.join(missing[:3])}",
            where=run_folder.name,
            expected="a run that has come to its end",
            remedy="run the same command again: it goes on where it stopped",
            code="run_incomplete",
        )
    environment = run_folder / "environment.json"
    facts = json.loads(environment.read_text(encoding="utf-8")) if environment.exists() else {}
    card = card_of(recipe, evidence, groups, facts)
    texts = {
        "recipe.json": recipe,
        "evidence.json": json.loads((run_folder / "evidence.json").read_text(encoding="utf-8")),
        "environment.json": facts,
        "card.json": card,
    }
    files |= {name: json.dumps(each, indent=1).encode() for name, each in texts.items()}
    files["card.md"] = write_card(card).encode()
    write_container(path, files, None if key is None else Path(key))
    Container.open(path)  # what was written opens, or the error is told now and not in the clinic
    return path


class Bundle:
    """A sealed model.

    Args:
        container: The verified file.
        networks: Networks handed in from Python, where the recipe names one that is no plug-in.

    Attributes:
        recipe: What was decided, as `preceptor.recipe.resolve.Recipe` has it.
        evidence: What was measured.
        card: What it is for, whom it learnt from and how well it did, as JSON.
        signer: Public key that signed it, in hexadecimal, or None.
        digest: Hash of the whole file.
    """

    def __init__(self, container: Container, networks: Mapping[str, Any] | None = None) -> None:
        self._container, self._networks = container, dict(networks or {})
        self.digest, self.signer = container.digest, container.signer
        sections = container.read_json("recipe.json")
        self.recipe: Recipe = read_sealed_recipe(sections, self._networks, container.path)
        sealed = {"sha256": self.digest, "signed by": self.signer}
        card = container.read_json("card.json")
        if not isinstance(card, dict):
            raise damaged(container.path, "its card can't be read")
        self.card: dict[str, Any] = card | sealed
        self.groups = self._read_groups()
        self._councils: dict[str, Council] = {}

    @classmethod
    def open(
        cls, path: str | Path, *, key: str | Path | None = None, networks: Mapping[str, Any] | None = None
    ) -> Bundle:
        """Open a bundle: every byte of it is verified first.

        Args:
            path: What `seal` wrote.
            key: A public key (PEM). The bundle must then be signed by it.
            networks: Networks handed in from Python, by name.

        Raises:
            BundleError: It is damaged, of another kind, of a newer format, or not signed by this key.
        """
        path = Path(path)
        container = Container.open(path)
        if key is not None and container.signer != public_key(Path(key)):
            raise BundleError(
                "the bundle is not signed" if container.signer is None else "the bundle is signed by another key",
                where=path.name,
                expected="the signature of the key that was given",
                remedy="ask whom the bundle comes from for a signed copy and the key",
                code="bundle_signature",
            )
        return cls(container, networks)

    @property
    def path(self) -> Path:
        return self._container.path

    @property
    def question(self) -> Question:
        return self.task.question

    @cached_property
    def task(self) -> Any:
        return build("tasks", self.recipe.task)

    @cached_property
    def evidence(self) -> Evidence:
        try:
            return Evidence.from_json(self._container.read_json("evidence.json"))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise damaged(self._container.path, "its evidence can't be read") from error

    @cached_property
    def checks(self) -> tuple[Any, ...]:
        """The checks that looked at the training images, knowing what was usual there. Earlier seals know no usual."""
        states = check_states(Path("groups/0")).as_posix()
        if states not in self._container.sizes:
            return tuple(build("checks", each) for each in self.recipe.checks)
        with tempfile.TemporaryDirectory(prefix="preceptor-") as name:
            self._container.extract(Path(name), states.removesuffix(".safetensors"))
            return with_states("checks", self.recipe.checks, Path(name) / states)[0]

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the networks look at."""
        return self.groups[0].inputs.views

    def predict(
        self,
        source: str | Path | Mapping[str, str | Path],
        *,
        fields: Mapping[str, Any] | None = None,
        device: str = "auto",
    ) -> Prediction:
        """Predict one case.

        Args:
            source: A file, the folder of a DICOM series, or ``{view: file or folder}`` where the model looks at
                several views.
            fields: ``{column: value}`` that the model is fed beside the image.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

        Returns:
            The answer: ``.probability``; for a segmentation ``.mask`` on the grid the image came in; ``.uncertainty``,
            ``.accepted`` and ``.reasons``. What the model was not made for is not accepted, and has no answer.

        Raises:
            PrepareError: The image can't be read.
        """
        from .predicting import case_of, predict_case

        return predict_case(self, case_of(source, self.views, fields or {}), device)

    def answer_cohort(self, cohort: Cohort, folder: Path, *, device: str = "auto") -> Predictions:
        """Predict every case of a cohort and tabulate the answers; dense ones lie in ``folder/maps``."""
        from .predicting import answer_cohort

        return answer_cohort(self, cohort, folder, device)

    def export_onnx(self, path: str | Path) -> Path:
        """Write the networks as ONNX; see `preceptor.deliver.export.export_onnx`."""
        from .export import export_onnx

        return export_onnx(self, path)

    def export_monai(self, folder: str | Path) -> Path:
        """Write the layout of a MONAI bundle; see `preceptor.deliver.export.export_monai`."""
        from .export import export_monai

        return export_monai(self, folder)

    def council(self, device: str = "auto") -> Council:
        """The networks and all that stands around them, on a device; made when first asked for."""
        chosen = _device(device)
        if chosen not in self._councils:
            self._councils[chosen] = self._make_council(chosen)
        return self._councils[chosen]

    def _make_council(self, device: str) -> Council:
        from preceptor.learn.model import Model
        from preceptor.prepare.segmenter import open_bundles_with
        from preceptor.prove.answering import Answering

        from .council import Council, Panel
        from .oversize import refuse_oversize
        from .segmenting import bundle_segmenter

        open_bundles_with(bundle_segmenter)
        made = []
        with tempfile.TemporaryDirectory(prefix="preceptor-") as name:
            self._container.extract(Path(name), "groups/")
            for index, group in enumerate(self.groups):
                folder = Path(name) / "groups" / str(index)
                weights = [folder / f"weights.{number}.safetensors" for number in range(len(group.members))]
                refuse_oversize(self.recipe, self.question, group.inputs, weights, self._networks)
                model = Model.load(
                    self.recipe, self.question, group.inputs, weights, device=device, networks=self._networks
                )
                steps, states = with_states("transforms", self.recipe.prepare, prepare_states(folder))
                guards, fitted = with_states("safeguards", self.recipe.safeguards, safeguard_states(folder))
                made.append(Panel(steps, states, Answering(model, guards, fitted)))
        return Council(tuple(made))

    def _read_groups(self) -> list[Group]:
        names = [name for name in self._container.sizes if name.startswith("groups/") and name.endswith("/group.json")]
        try:
            facts = [self._container.read_json(f"groups/{index}/group.json") for index in range(len(names))]
            groups = [read_group(each) for each in facts]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self._container.path, "its groups can't be read") from error
        if not groups:
            raise damaged(self._container.path, "it holds no weights")
        return groups


def refuse_unless_passed(evidence: Evidence, run_folder: Path) -> None:
    """Refuse to sign off a model whose gates do not hold.

    Raises:
        Refusal: With the sentence of every gate that fails.
    """
    failed = [verdict for verdict in evidence.verdicts if not verdict.passed]
    if failed:
        raise Refusal(
            f"{len(failed)} of {len(evidence.verdicts)} gates do not hold: the model is not signed off",
            where=run_folder.name,
            expected="every gate of the recipe to hold",
            remedy="read report.html in the run's folder; better data or training, not a looser gate",
            code="gate_failed",
            problems=[Problem(verdict.sentence, where=verdict.gate) for verdict in failed],
        )


def _evidence(run_folder: Path) -> Evidence:
    path = run_folder / "evidence.json"
    if not path.exists():
        raise BundleError(
            "the folder holds no evidence",
            where=run_folder.name,
            expected="a run that has come to its end",
            remedy="`preceptor run RECIPE` goes on where it stopped",
            code="run_unfinished",
        )
    return Evidence.read(path)


def _recipe(run_folder: Path) -> dict[str, Any]:
    """The resolved recipe as JSON, without the place of the training data."""
    from preceptor.recipe.yaml import read_yaml

    try:
        sections = read_yaml((run_folder / "resolved.yaml").read_text(encoding="utf-8"), "resolved.yaml").data
    except (OSError, PreceptorError) as error:
        raise BundleError(
            "the run's recipe can't be read", where=run_folder.name, expected="resolved.yaml", code="run_incomplete"
        ) from error
    return {name: each for name, each in json.loads(json.dumps(sections, default=str)).items() if name != "folder"}


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
