"""Agreement between several dense answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs, Prediction
from preceptor.core.slots import build
from preceptor.learn.agreement import Agreement
from preceptor.learn.predict import Window, predict

QUESTION = Question("segmentation", "label", ("background", "a", "b", "c"), dense=True, values=(0, 1, 2, 3))


def test_mean_dice_of_every_two_over_windows():
    """a: 2*2/4, 2*1/3, 2*1/3; b: nobody but the third, 0 with each and nothing between the two others; c: nobody."""
    answers = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 2]])
    counted = Agreement(3, 4)
    for half in (slice(0, 2), slice(2, 4)):
        for index, answer in enumerate(answers):
            counted.add(index, answer[None, half])
    dice = counted.mean_dice()
    assert dice[0] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert dice[1] == 0
    assert np.isnan(dice[2])


@pytest.mark.parametrize(("dice", "accepted"), [((0.9, 0.8, np.nan), True), ((0.5, 0.4, np.nan), False)])
def test_low_agreement_is_refused(dice, accepted):
    prediction = Prediction("case", QUESTION, pass_agreement=np.array(dice))
    out = build("safeguards", {"member_agreement": {"least": 0.7}})(prediction)
    assert out.parts["member_agreement"] == pytest.approx(np.mean(dice[:2]))
    assert "member_agreement_c" not in out.parts
    assert out.accepted is accepted


def test_answers_that_find_nothing_are_refused_and_one_answer_tells_nothing():
    safeguard = build("safeguards", {"member_agreement": {"least": 0.7}})
    nothing = safeguard(Prediction("case", QUESTION, pass_agreement=np.full(3, np.nan)))
    assert not nothing.accepted and "none of them" in nothing.reasons[0]
    alone = safeguard(Prediction("case", QUESTION))
    assert alone.accepted and not alone.parts


def test_networks_that_answer_densely_are_compared():
    """One window as large as the image: the same as the Dice of the two networks' own answers."""
    torch.manual_seed(0)
    networks = [torch.nn.Conv3d(1, 3, 3, padding=1) for _ in range(2)]
    array = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype(np.float32)
    sample = Sample("case", {"image": Image(array, np.eye(4))})
    question = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))
    asked = {
        "inputs": Inputs(("image",), 1, 3, (8, 8, 8)),
        "question": question,
        "decode": lambda output: Decoded(output.softmax(1)),
        "window": Window((8, 8, 8)),
    }
    first, second = (predict([network], sample, **asked) for network in networks)
    shared = [((first.label == at) & (second.label == at)).sum() for at in (1, 2)]
    size = [(first.label == at).sum() + (second.label == at).sum() for at in (1, 2)]
    assert first.pass_agreement is None
    assert predict(networks, sample, **asked).pass_agreement == pytest.approx(2 * np.array(shared) / size)
