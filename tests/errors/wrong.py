"""Recipes that are wrong in one way each, written as one change of a right one.

A right recipe stands in `BASES`; a wrong one is the text that is replaced and what replaces it. What `preceptor check`
says about it lies in ``snapshots/<name>.txt``, word by word, to be read by a person:

    python -m tests.errors          writes every snapshot anew; read the difference before committing it
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from preceptor.core.errors import RecipeError
from preceptor.core.slots import FOLDERS, names
from preceptor.recipe.load import load_recipe
from preceptor.recipe.report import listed

SEGMENT = """\
study: hippocampus
seed: 7
cohort: {folder: {image: images/*.nii.gz, label: labels/*.nii.gz}}
split: {train: 0.6, tune: 0.1, calibrate: 0.15, test: 0.15}
prepare: [{resample: {spacing_mm: [1, 1, 1]}}, zscore]
augment: [{flip: {axes: [left-right], chance: 0.5}}, {noise: {sigma: 0.1}}]
task: {segmentation: {labels: {anterior: 1, posterior: 2}}}
network: {unet: {channels: [4, 8, 16]}}
objective: [dice, cross_entropy]
methods: [{early_stopping: {patience: 5}}]
strategy: once
train: {epochs: 40, batch_size: 2, patch: [16, 16, 16], optimizer: {adamw: {lr: 1e-3}}}
safeguards: [temperature]
evaluate: [dice]
gates: [{at_least: {finding: dice, value: 0.85}}]
"""

CLASSIFY = """\
study: chest
seed: 7
cohort: {table: {file: cases.csv, view: view, views: {frontal: [PA, AP], lateral: [L]}, labels: [finding]}}
split: {train: 0.7, tune: 0.1, test: 0.2}
task: {classification: {classes: [absent, present], label: finding}}
network: hemis
objective: [cross_entropy]
methods: [class_balance, ema]
strategy: once
train: {epochs: 10, batch_size: 8}
evaluate: [roc]
explain: [{grad_cam: {layer: null}}]
"""

BASES = {"segment": SEGMENT, "classify": CLASSIFY}


@dataclass(frozen=True)
class Wrong:
    """One wrong recipe.

    Args:
        name: Of the snapshot.
        old: Text of the right recipe that stands there once; "" appends `new`.
        new: What stands there in the wrong one.
        base: Which right recipe.
        overrides: Given with ``--set``.
        roots: Whether paths are confined to the recipe's folder.
    """

    name: str
    old: str
    new: str
    base: str = "segment"
    overrides: tuple[str, ...] = ()
    roots: bool = False

    def text(self) -> str:
        right = BASES[self.base]
        if not self.old:
            return right + self.new
        assert right.count(self.old) == 1, f"{self.name}: {self.old!r} stands {right.count(self.old)} times"
        return right.replace(self.old, self.new)

    def snapshot(self) -> str:
        """The change and the message, with lists of plug-ins folded: a new plug-in changes no snapshot."""
        message = str(told(self))
        for slot in FOLDERS:
            if len(names(slot)) > 1:
                message = message.replace(listed(names(slot)), f"<every one of {slot}>")
        message = re.sub(r"(does not suit the task .*\n  expected: ).*", r"\1<those that suit>", message)
        change = [f"- {line}" for line in self.old.splitlines()] + [f"+ {line}" for line in self.new.splitlines()]
        given = [f"--set {each}" for each in self.overrides] + (["--root ."] if self.roots else [])
        return "\n".join([f"[{self.base}]", *change, *given, "", message, ""])


@cache
def told(wrong: Wrong) -> RecipeError:
    """The error, as a caller gets it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.yaml").write_text(wrong.text(), encoding="utf-8")
        try:
            load_recipe(folder / "recipe.yaml", wrong.overrides, [folder] if wrong.roots else None)
        except RecipeError as error:
            return error
    raise AssertionError(f"{wrong.name}: the recipe was accepted")


WRONG = [
    # The file itself.
    Wrong("not_yaml", "optimizer: {adamw: {lr: 1e-3}}}", "optimizer: {adamw: {lr: 1e-3}"),
    Wrong("tab", "seed: 7", "\tseed: 7"),
    Wrong("two_documents", "strategy: once\n", "---\nstrategy: once\n"),
    Wrong("yaml_1_1", "study: hippocampus\n", "%YAML 1.1\n---\nstudy: hippocampus\n"),
    Wrong("alias", "augment: [{flip: {axes: [left-right], chance: 0.5}}", "augment: [*flip"),
    Wrong("anchor", "network: {unet", "network: &net {unet"),
    Wrong("tag", "seed: 7", "seed: !!python/object/apply:os.getpid []"),
    Wrong("key_twice", "seed: 7", "seed: 7\nseed: 8"),
    Wrong("key_is_true", "labels: {anterior: 1, posterior: 2}", "labels: {anterior: 1, true: 2}"),
    Wrong("not_a_number", "lr: 1e-3", "lr: .nan"),
    Wrong("too_deep", "seed: 7", "seed: " + "[" * 40 + "]" * 40),
    Wrong("list_of_sections", SEGMENT, "- study: hippocampus\n"),
    Wrong("empty", SEGMENT, "# nothing yet\n"),
    # Sections and names.
    Wrong("section_misspelt", "evaluate:", "evalaute:"),
    Wrong("section_of_another_tool", "", "trainer: {max_epochs: 3}\n"),
    Wrong("section_missing", "task: {segmentation: {labels: {anterior: 1, posterior: 2}}}\n", ""),
    Wrong("network_misspelt", "{unet: {channels: [4, 8, 16]}}", "unett"),
    Wrong("network_spelt_with_dash", "{unet:", "{U-Net:"),
    Wrong("loss_as_network", "{unet: {channels: [4, 8, 16]}}", "focal"),
    Wrong("parameter_misspelt", "patience: 5", "patince: 5"),
    Wrong("parameter_of_nothing", "safeguards: [temperature]", "safeguards: [{temperature: {start: 1}}]"),
    Wrong("parameter_missing", "{at_least: {finding: dice, value: 0.85}}", "{at_least: {finding: dice}}"),
    Wrong("setting_misspelt", "batch_size: 2", "batchsize: 2"),
    Wrong("optimizer_misspelt", "{adamw: {lr: 1e-3}}", "adamv"),
    Wrong("optimizer_setting", "{lr: 1e-3}", "{learning_rate: 1e-3}"),
    Wrong("schedule_unknown", "batch_size: 2", "schedule: cosinus"),
    Wrong("indentation_lost", "[dice, cross_entropy]", "[{dice: null, weight: 2}, cross_entropy]"),
    Wrong("two_networks", "{unet: {channels: [4, 8, 16]}}", "[unet, resnet]"),
    Wrong("parameters_as_list", "{early_stopping: {patience: 5}}", "{early_stopping: [5]}"),
    Wrong("number_for_a_list", "evaluate: [dice]", "evaluate: 3"),
    Wrong(
        "train_as_text",
        "train: {epochs: 40, batch_size: 2, patch: [16, 16, 16], optimizer: {adamw: {lr: 1e-3}}}",
        "train: quickly",
    ),
    Wrong("study_with_slash", "study: hippocampus", "study: ../../hippocampus"),
    # Values.
    Wrong("number_in_quotes", "lr: 1e-3", "lr: '1e-3'"),
    Wrong("number_of_yaml_1_1", "lr: 1e-3", "lr: 1_000"),
    Wrong("text_for_a_number", "epochs: 40", "epochs: many"),
    Wrong("half_an_epoch", "epochs: 40", "epochs: 2.5"),
    Wrong("no_epochs", "epochs: 40", "epochs: 0"),
    Wrong("negative_learning_rate", "lr: 1e-3", "lr: -1e-3"),
    Wrong("negative_seed", "seed: 7", "seed: -7"),
    Wrong("chance_in_percent", "chance: 0.5", "chance: 50"),
    Wrong("yes_for_true", "{unet: {", "{unet: {residual: yes, "),
    Wrong("precision_unknown", "batch_size: 2", "precision: fp8"),
    Wrong("patch_of_one_axis", "patch: [16, 16, 16]", "patch: [16]"),
    Wrong("patch_of_zero", "patch: [16, 16, 16]", "patch: [16, 0, 16]"),
    Wrong("label_value_as_text", "posterior: 2}", "posterior: two}"),
    Wrong("null_where_a_number_is_asked", "patience: 5", "patience: null"),
    # The split.
    Wrong("shares_above_one", "test: 0.15}", "test: 0.25}"),
    Wrong("shares_below_one", "test: 0.15}", "test: 0.05}"),
    Wrong("share_negative", "tune: 0.1", "tune: -0.1"),
    Wrong("share_in_percent", "train: 0.6", "train: 60"),
    Wrong("nobody_trains", "train: 0.6, tune: 0.1, calibrate: 0.15, test: 0.15", "test: 1.0"),
    Wrong("split_of_nothing", "{train: 0.6, tune: 0.1, calibrate: 0.15, test: 0.15}", "{by: patient}"),
    Wrong("split_by_two", "split: {train", "split: {by: [patient, site], train"),
    Wrong("adapt_and_external", "test: 0.15}", "test: 0.15, adapt: {site: [A, B]}, external: {site: [B]}}"),
    Wrong("given_and_dealt", "split: {train", "split: {given: true, train"),
    Wrong("no_calibrate_share", "tune: 0.1, calibrate: 0.15", "tune: 0.25"),
    Wrong("no_tune_share", "tune: 0.1, calibrate: 0.15", "calibrate: 0.25"),
    Wrong("no_test_share", "calibrate: 0.15, test: 0.15", "calibrate: 0.3"),
    Wrong(
        "plateau_without_tune",
        "{train: 0.7, tune: 0.1, test: 0.2}",
        "{train: 0.8, test: 0.2}",
        "classify",
        ("train.schedule=plateau",),
    ),
    # Task, objective, network, evaluators.
    Wrong("one_class", "classes: [absent, present]", "classes: [present]", "classify"),
    Wrong("class_twice", "classes: [absent, present]", "classes: [absent, present, absent]", "classify"),
    Wrong("label_value_twice", "posterior: 2", "posterior: 1"),
    Wrong("structure_is_background", "posterior: 2", "posterior: 0"),
    Wrong("dice_of_a_classification", "objective: [cross_entropy]", "objective: [dice]", "classify"),
    Wrong("squared_error_of_a_segmentation", "[dice, cross_entropy]", "[mean_squared_error]"),
    Wrong("no_objective_reads_the_answer", "[dice, cross_entropy]", "[{dice: {output: edge}}]"),
    Wrong("output_the_network_lacks", "cross_entropy]", "{cross_entropy: {output: edge}}]"),
    Wrong("weight_of_zero", "cross_entropy]", "{cross_entropy: {weight: 0}}]"),
    Wrong("classifier_for_a_segmentation", "{unet: {channels: [4, 8, 16]}}", "resnet"),
    Wrong("segmenter_for_a_classification", "network: hemis", "network: unet", "classify"),
    Wrong("network_for_one_view", "network: hemis", "network: densenet121", "classify"),
    Wrong("patch_too_small", "patch: [16, 16, 16]", "patch: [2, 2, 2]"),
    Wrong("roc_of_a_segmentation", "evaluate: [dice]", "evaluate: [dice, roc]"),
    Wrong("dice_measured_of_a_classification", "evaluate: [roc]", "evaluate: [roc, dice]", "classify"),
    Wrong("evaluator_twice", "evaluate: [dice]", "evaluate: [dice, dice]"),
    Wrong("gate_on_what_is_not_measured", "finding: dice", "finding: iou"),
    Wrong("layer_the_network_lacks", "{layer: null}", "{layer: encoder.last}", "classify"),
    # Training.
    Wrong(
        "batch_dice_under_accumulation",
        "[dice, cross_entropy]",
        "[{dice: {pooled: true}}, cross_entropy]",
        overrides=("train.accumulate=4",),
    ),
    Wrong(
        "parity_under_accumulation",
        "[class_balance, ema]",
        "[{demographic_parity: {field: sex}}]",
        "classify",
        ("train.accumulate=2",),
    ),
    Wrong("warm_up_longer_than_training", "batch_size: 2", "schedule: {cosine: {warmup_epochs: 50}}"),
    Wrong("tuned_never", "batch_size: 2", "tune_every: 50"),
    Wrong("nesterov_without_momentum", "{adamw: {lr: 1e-3}}", "{sgd: {momentum: 0}}"),
    Wrong("patches_without_a_size", "patch: [16, 16, 16]", "patches_per_case: 4"),
    Wrong("folds_in_folds", "strategy: once", "strategy: {k_fold: {each: {k_fold: {folds: 3}}}}", "classify"),
    Wrong("one_fold", "strategy: once", "strategy: {k_fold: {folds: 1}}", "classify"),
    Wrong("no_such_strategy_inside", "strategy: once", "strategy: {ensemble: {each: twice}}", "classify"),
    # Preparation.
    Wrong("flip_in_preparation", "prepare: [", "prepare: [{flip: {axes: [left-right], chance: 0.5}}, "),
    Wrong("truth_in_preparation", ", zscore]", ", {zscore: {mask: label}}]"),
    Wrong("spacing_of_two_axes", "spacing_mm: [1, 1, 1]", "spacing_mm: [1, 1]"),
    Wrong("spacing_of_zero", "spacing_mm: [1, 1, 1]", "spacing_mm: [1, 1, 0]"),
    # The command line and the folder.
    Wrong("set_without_value", "", "", overrides=("train.epochs",)),
    Wrong("set_unknown_section", "", "", overrides=("trian.epochs=3",)),
    Wrong("set_another_network", "", "", overrides=("network.resnet.depth=18",)),
    Wrong("set_a_wrong_value", "", "", overrides=("train.epochs=soon",)),
    Wrong("folder_missing", "seed: 7", "seed: 7\nfolder: elsewhere"),
    Wrong("path_outside", "folder: {image", "folder: {folder: ../../patients, image", roots=True),
    Wrong("many_at_once", "epochs: 40, batch_size: 2", "epochs: 0, batchsize: 2, workers: many"),
]
