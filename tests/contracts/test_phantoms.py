"""What holds for every kind of phantom: each case from its own numbers, values and grids that files can hold."""

from __future__ import annotations

import json

import numpy as np

from preceptor.core.drawn import Drawn, Turn
from preceptor.core.plain import finite

from .plugins import each, example


def same(one: Drawn, two: Drawn) -> bool:
    pictures = [
        (theirs.keys() == ours.keys()) and all(np.array_equal(ours[name].array, theirs[name].array) for name in ours)
        for ours, theirs in ((one.images, two.images), (one.masks, two.masks))
    ]
    told = [json.dumps(finite({"l": d.labels, "f": d.fields, "p": d.patient})) for d in (one, two)]
    return all(pictures) and told[0] == told[1]


@each("phantoms")
def test_a_case_is_the_same_whatever_was_drawn_before(slot, name):
    turn = Turn(seed=5, index=3, cases=8)
    alone = example(slot, name).draw(turn)
    kind = example(slot, name)
    state = np.random.get_state()[1].copy()
    for index in (7, 0, 3, 1):
        again = kind.draw(Turn(5, index, 8))
        if index == 3:
            assert same(alone, again)
    assert np.array_equal(state, np.random.get_state()[1]), "nothing is drawn from the global generator"


@each("phantoms")
def test_seeds_and_cases_differ(slot, name):
    kind = example(slot, name)
    drawn = [kind.draw(Turn(seed, index, 8)) for seed in (0, 1) for index in range(4)]
    assert not any(same(one, two) for place, one in enumerate(drawn) for two in drawn[place + 1 :])


@each("phantoms")
def test_images_and_masks_are_on_one_grid_in_values_that_files_hold(slot, name):
    drawn = example(slot, name).draw(Turn(2, 0, 8))
    assert drawn.images or drawn.fields, "something is shown or told"
    for image in drawn.images.values():
        assert image.array.dtype == np.float32 and np.isfinite(image.array).all()
        assert image.channels in (1, 3) and not image.is_label
        assert np.abs(image.array).max() <= 30, "thousandths must fit sixteen bits"
    for mask in drawn.masks.values():
        first = next(iter(drawn.images.values()))
        assert mask.is_label and mask.shape == first.shape and np.allclose(mask.affine_mm, first.affine_mm)
        assert np.issubdtype(mask.array.dtype, np.integer) and mask.array.min() >= 0
    for value in (*drawn.labels.values(), *drawn.fields.values()):
        assert isinstance(value, (str, int, float, np.integer, np.floating)) or value is None
    json.dumps(finite({**drawn.labels, **drawn.fields}))
