"""A tiny training that runs in a second: real cohort, real store, real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import lightning_fabric
import numpy as np
import torch

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build
from preceptor.learn.fit import fit
from preceptor.learn.journal import Journal
from preceptor.learn.workshop import Workshop
from preceptor.prepare.store import prepare
from preceptor.prove.tuning_score import tuning_score
from preceptor.recipe.schema import Train

CLASSES = {"classification": {"classes": ["dark", "bright"]}}


class Net(torch.nn.Module):
    """Convolution, batch norm, dropout: something of everything that a checkpoint must hold."""

    def __init__(self, inputs, width, norm=True, dropout=0.2):
        super().__init__()
        dims = inputs.space_dims
        conv, batch_norm = getattr(torch.nn, f"Conv{dims}d"), getattr(torch.nn, f"BatchNorm{dims}d")
        self.body = torch.nn.Sequential(
            conv(inputs.channels, 6, 3, padding=1),
            batch_norm(6) if norm else torch.nn.Identity(),
            torch.nn.ReLU(),
        )
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(6, width)

    def forward(self, image):
        return self.head(self.dropout(self.body(image).flatten(2).mean(-1)))


def plain(inputs, width):
    """Without batch norm and dropout: what a batch is cut into can't matter."""
    return Net(inputs, width, norm=False, dropout=0.0)


def tiny_cohort(folder: Path, cases: int = 16, tune: int = 4, side: int = 8, seed: int = 0) -> Cohort:
    """Dark and bright noise images in one npz; one image a patient, two sites."""
    rng = np.random.default_rng(seed)
    labels = np.arange(cases + tune) % 2
    images = (rng.normal(size=(cases + tune, side, side)) + 0.7 * labels[:, None, None]).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", images=images)
    return Cohort(
        tuple(
            Case(
                key=f"case-{i:03d}",
                images={"image": f"data.npz::images::{i}"},
                patient=f"p{i}",
                labels={"label": ["dark", "bright"][labels[i]]},
                fields={"site": "AB"[(i // 2) % 2]},
                role="train" if i < cases else "tune",
            )
            for i in range(cases + tune)
        ),
        folder,
    )


def tiny_recipe(**changes):
    """A recipe as the loop sees it; `train` takes a mapping of changes."""
    train = replace(
        Train(),
        **{
            "epochs": 3,
            "batch_size": 4,
            "optimizer": {"adamw": {"lr": 1e-2}},
            "schedule": "cosine",
            **changes.pop("train", {}),
        },
    )
    parts = {
        "seed": 7,
        "task": CLASSES,
        "objective": ["cross_entropy"],
        "network": "mine",
        "methods": [],
        "augment": [],
        "prepare": [],
    }
    return SimpleNamespace(**{**parts, **changes, "train": train})


def workshop(folder: Path, recipe, networks=None, fabric=None) -> Workshop:
    task = build("tasks", recipe.task)
    score, higher = tuning_score(task.question)
    if fabric is None:
        fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    folder.mkdir(parents=True, exist_ok=True)

    def prepared(cohort):
        steps = [build("transforms", each) for each in recipe.prepare]
        return prepare(cohort, steps, task, folder / "prepared", fit_on=cohort.with_role("train"))

    return Workshop(folder, task, fabric, prepared, score, higher, Journal(folder, None), networks or {"mine": Net})


def train(folder: Path, recipe, cohort, networks=None):
    """Fit and return the last weights, read from the checkpoint."""
    from preceptor.learn import checkpoint

    shop = workshop(folder, recipe, networks)
    fitted = fit(recipe, cohort, shop=shop)
    return fitted[0], checkpoint.load(fitted[0].folder, print)["network"]


def same(left, right) -> bool:
    """Bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def largest_difference(left, right) -> float:
    return max(float((left[name].double() - right[name].double()).abs().max()) for name in left)
