"""Small worlds with and without a shortcut: pictures, a network trained on them, and what an audit needs of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import torch
from torch import nn
from torch.nn import functional

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs
from preceptor.learn.model import Model
from preceptor.learn.predict import Window
from preceptor.prove.shortcuts.material import Material, Member


class Small(nn.Module):
    """A few convolutions, or a perceptron where `flat`: corners look alike to convolutions with a mean at the end."""

    last_features = "features"

    def __init__(self, shape: Sequence[int], classes: int, flat: bool) -> None:
        super().__init__()
        if flat:
            body: list[nn.Module] = [nn.Flatten(), nn.Linear(int(np.prod(shape)), 64), nn.ReLU()]
        else:
            body = [
                nn.Conv2d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 16, 3, padding=1),
                nn.ReLU(),
            ]
            body += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.features = nn.Sequential(*body)
        self.answer = nn.Linear(64 if flat else 16, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.answer(self.features(image))


@dataclass
class World:
    """Pictures with what is known about them.

    Args:
        images: ``(case, x, y)``.
        truth: ``(case,)`` codes.
        fields: ``{column: (case,)}``.
        patient: ``(case,)``.
    """

    images: np.ndarray
    truth: np.ndarray
    fields: dict[str, Any]
    patient: np.ndarray
    classes: tuple[str, ...] = ("absent", "present")


def phantoms(
    seed: int,
    cases: int = 300,
    *,
    marker: float = 0.0,
    site_tie: float = 0.0,
    gain: float = 0.0,
    lesion: float = 1.0,
    size: int = 20,
) -> World:
    """Round bodies, half of them with a bright spot of varying place inside.

    Args:
        seed: Of all draws.
        cases: How many; one a patient.
        marker: Share of the positive cases that carry a bright square in the corner where both axes end.
        site_tie: 0: both sites see the same mix of classes; 1: each sees one class.
        gain: How much brighter the site "north" makes its pictures.
        lesion: What the spot adds.
        size: Pixels along each side.
    """
    rng = np.random.default_rng(seed)
    truth = np.arange(cases) % 2
    rng.shuffle(truth)
    site = np.where(rng.random(cases) < np.where(truth == 1, 0.5 + site_tie / 2, 0.5 - site_tie / 2), "north", "south")
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij"))
    images = np.empty((cases, size, size), np.float32)
    for at in range(cases):
        body = ((grid**2).sum(0) < rng.uniform(0.55, 0.7) ** 2) * 1.0
        place = rng.uniform(-0.3, 0.3, 2)[:, None, None]
        spot = np.exp(-((grid - place) ** 2).sum(0) / 0.02) * lesion * truth[at]
        picture = body + spot + 0.1 * rng.normal(size=body.shape)
        if truth[at] and rng.random() < marker:
            picture[-3:, -3:] += 1.5
        images[at] = picture * (1 + gain * (site[at] == "north")) + gain * (site[at] == "north")
    fields = {"site": site, "sex": rng.choice(["F", "M"], cases), "age": rng.integers(20, 90, cases).astype(float)}
    return World(images, truth, fields, np.arange(cases))


def decoy_digits(seed: int = 0, decoy: bool = True, cases: int = 900) -> World:
    """scikit-learn's digits in the middle of 12 x 12 pixels, the class written as a grey level in one corner.

    As in Ross 2017 (arXiv:1703.03717, Decoy MNIST), except that the decoy holds in the test cases too: an audit sees
    what the model saw.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(digits.target))[:cases]
    images = np.zeros((cases, 12, 12), np.float32)
    images[:, 2:10, 2:10] = digits.images[chosen] / 16
    truth = digits.target[chosen]
    images[:, :2, :2] = (truth if decoy else np.zeros_like(truth))[:, None, None] / 9
    return World(images, truth, {}, np.arange(cases), tuple(map(str, range(10))))


def trained(world: World, seed: int = 0, flat: bool = False, epochs: int = 12) -> nn.Module:
    """A network trained on the first half of a world."""
    torch.manual_seed(seed)
    number = len(world.images) // 2
    images, truth = torch.from_numpy(world.images[:number, None]), torch.from_numpy(world.truth[:number]).long()
    network = Small(world.images.shape[1:], len(world.classes), flat)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(number).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[rows]), truth[rows]).backward()
            optimizer.step()
    return network.eval()


def material(world: World, network: nn.Module | None = None, most_cases: int = 150) -> Material:
    """What an audit of the network sees of the second half; without a network the stored answers are the truth's."""
    number = len(world.images)
    shape = world.images.shape[1:]
    question = Question("classification", "label", world.classes)
    rows = np.arange(number // 2, number)
    cases = [
        Case(
            f"case-{at}",
            {"image": "x"},
            str(world.patient[at]),
            labels={"label": world.classes[world.truth[at]]},
            fields={name: each[at] for name, each in world.fields.items()},
            role="test" if at in rows else "train",
        )
        for at in range(number)
    ]
    with torch.no_grad():
        given = network(torch.from_numpy(world.images[rows, None])).softmax(1).double().numpy()
    table = pandas.DataFrame(
        {
            "key": [f"case-{at}" for at in rows],
            "patient": world.patient[rows].astype(str),
            "cluster": world.patient[rows].astype(str),
            "role": "test",
            "fit": "0",
            "truth": [world.classes[world.truth[at]] for at in rows],
            "answer": [world.classes[each] for each in given.argmax(1)],
            "accepted": True,
        }
        | {f"probability_{name}": given[:, at] for at, name in enumerate(world.classes)}
        | {f"field:{name}": each[rows] for name, each in world.fields.items()}
    )
    model = Model(
        [network],
        Inputs(("image",), 1, 2, tuple(shape)),
        question,
        lambda output: Decoded(output.softmax(1)),
        Window(tuple(shape), 0.5, 1),
    )
    samples = {f"case-{at}": Sample(f"case-{at}", {"image": Image(world.images[at][None], np.eye(4))}) for at in rows}
    store = SimpleNamespace(sample=samples.__getitem__)
    task = SimpleNamespace(question=question, encode=_encoder(world.classes))
    return Material.of(
        Predictions(table, question, Cohort((), _HERE).root),
        Cohort(tuple(cases), _HERE),
        {"0": Member(model, store)},
        task=task,
        most_cases=most_cases,
    )


def _encoder(classes: Sequence[str]) -> Callable[[Case], dict[str, np.ndarray]]:
    return lambda case: {"label": np.asarray(classes.index(case.labels["label"]))}


_HERE = Path()
