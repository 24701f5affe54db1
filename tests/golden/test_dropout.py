"""Known answer L3.7: passes with dropout rank errors, and nothing but dropout draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs, Pass
from preceptor.core.slots import build
from preceptor.learn.predict import Window, predict
from preceptor.maths.roc import auroc

DIGITS = Question("classification", "digit", tuple(map(str, range(10))))
INPUTS = Inputs(("image",), 1, 2, (8, 8))


def mlp(dropout: float, normalised: bool = False) -> nn.Sequential:
    def block(wide):
        return [nn.Linear(wide, 64), *([nn.BatchNorm1d(64)] if normalised else []), nn.ReLU(), nn.Dropout(dropout)]

    return nn.Sequential(nn.Flatten(), *block(64), *block(64), nn.Linear(64, 10))


def trained(dropout: float, normalised: bool = False, epochs: int = 60):
    """A network trained on 300 digits with a tenth of the labels drawn anew, and 300 it has not seen."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = (torch.from_numpy(each) for each in load_digits(return_X_y=True))
    order = torch.randperm(len(images))
    images, labels = (images[order] / 16).float().view(-1, 1, 8, 8), labels[order].long()
    seen = labels[:300].clone()
    noisy = torch.rand(300) < 0.1
    seen[noisy] = torch.randint(0, 10, (int(noisy.sum()),))
    network = mlp(dropout, normalised)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(300).split(32):
            loss = nn.functional.cross_entropy(network(images[:300][rows]), seen[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval(), images[300:600].numpy(), labels[300:600].numpy()


def answer(network, image, passes):
    sample = Sample("digit", {"image": Image(image, np.eye(4))})
    return predict(
        [network],
        sample,
        inputs=INPUTS,
        question=DIGITS,
        decode=lambda output: Decoded(output.softmax(1)),
        window=Window((8, 8)),
        passes=passes,
    )


@pytest.mark.answer("L3.7")
def test_disagreement_of_passes_ranks_errors():
    network, images, labels = trained(dropout=0.3)
    safeguard = build("safeguards", {"mc_dropout": {"samples": 12}})
    passes = (Pass(), *safeguard.passes())
    made = [safeguard(answer(network, image, passes)) for image in images]
    wrong = np.array([each.probability.argmax() for each in made]) != labels
    epistemic = np.array([each.parts["epistemic"] for each in made])
    assert 5 < wrong.sum() < 100
    assert auroc(wrong.astype(int), epistemic) >= 0.78
    assert (epistemic > 1e-4).mean() > 0.9  # dropout that never samples would leave 0


@pytest.mark.answer("L3.7")
def test_batch_normalisation_keeps_its_statistics():
    network, images, _ = trained(dropout=0.3, normalised=True, epochs=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    passes = tuple(build("safeguards", {"mc_dropout": {"samples": 3}}).passes())
    first = answer(network, images[0], passes)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module.training for module in network.modules())
    assert (answer(network, images[0], passes).passes == first.passes).all()  # the same passes draw the same


@pytest.mark.answer("L3.7")
def test_with_dropout_of_nothing_a_pass_is_the_plain_one():
    """A batch of one would have statistics of its own, were batch normalisation set to training too."""
    network, images, _ = trained(dropout=0.0, normalised=True, epochs=3)
    with torch.no_grad():
        together = network(torch.from_numpy(images[:8])).softmax(1).numpy()
    for image, expected in zip(images[:8], together, strict=True):
        made = answer(network, image, (Pass(dropout=True),))
        assert made.probability == pytest.approx(expected, abs=1e-6)


@pytest.mark.answer("L3.7")
def test_a_network_without_dropout_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(RecipeError, match="no dropout"):
        answer(network, np.zeros((1, 8, 8), np.float32), (Pass(dropout=True),))
