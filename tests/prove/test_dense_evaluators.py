"""What is measured from stored label maps: on the truth's own grid, with its spacing, nothing dropped in silence."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.core.slots import build
from tests.prove.answered import NOBODY, maps


def measure(name, predictions, **settings):
    return build("evaluators", {name: settings})(predictions, NOBODY)


def told(finding, text):
    return any(text in note for note in finding.notes)


def block(*sides, value=1, shape=(12, 10, 8)):
    """A label map with one block, or several: ``((x0, x1), (y0, y1), (z0, z1))``."""
    made = np.zeros(shape)
    made[tuple(slice(*side) for side in sides)] = value
    return made


ANTERIOR = ((2, 6), (2, 6), (2, 6))
POSTERIOR = ((7, 10), (2, 6), (2, 6))
BOTH = block(*ANTERIOR) + block(*POSTERIOR, value=2)
SHIFTED = np.roll(BOTH, 1, axis=1)


def test_dice_and_iou_of_blocks(tmp_path):
    predictions = maps(tmp_path, [(BOTH, SHIFTED), (BOTH, BOTH)])
    finding = measure("dice", predictions)
    assert finding.parts["anterior"].per_case == pytest.approx({"case-0": 0.75, "case-1": 1.0})
    assert finding.value == pytest.approx((0.75 + 1) / 2)
    assert measure("iou", predictions).per_case == pytest.approx({"case-0": 0.6, "case-1": 1.0})


@pytest.mark.parametrize(("empty", "expected", "rule"), [("one", 1.0, "counted as 1"), ("exclude", 0.5, "left out")])
def test_a_structure_absent_from_both_follows_the_rule_and_is_counted(tmp_path, empty, expected, rule):
    alone = block(*ANTERIOR)
    predictions = maps(tmp_path, [(alone, alone), (BOTH, alone)])
    finding = measure("dice", predictions, empty=empty)
    assert finding.parts["posterior"].value == pytest.approx(expected / 2 if empty == "one" else 0.0)
    assert told(finding, f"1 structure absent from truth and answer alike, {rule}")
    assert told(finding, "1 structure missed altogether, counted as 0")
    assert finding.parts["posterior"].cases == (2 if empty == "one" else 1)


def test_a_case_without_a_truth_is_counted_and_not_measured(tmp_path):
    finding = measure("dice", maps(tmp_path, [(BOTH, BOTH), (None, BOTH)]))
    assert finding.cases == 1 and told(finding, "1 case without a truth")


def test_voxels_of_other_values_in_the_truth_are_not_measured(tmp_path):
    truth = BOTH.copy()
    truth[:, 5:] = 255  # nobody looked
    finding = measure("dice", maps(tmp_path, [(truth, SHIFTED)]))
    assert finding.parts["anterior"].value == pytest.approx(2 * 2 / (3 + 2))


def test_an_answer_with_an_unknown_value_is_an_error(tmp_path):
    with pytest.raises(CohortError, match="the value 7"):
        measure("dice", maps(tmp_path, [(BOTH, np.where(BOTH == 2, 7, BOTH))]))


def test_class_values_may_be_any_numbers(tmp_path):
    told_as = np.array([0, 40, 7])[BOTH.astype(int)]
    finding = measure("dice", maps(tmp_path, [(told_as, told_as)], values=(0, 40, 7)))
    assert finding.value == 1.0


def test_an_answer_on_another_grid_is_measured_on_the_truths(tmp_path):
    """The answer is stored turned: x and y exchanged and x reversed, in the same place in space."""
    turned = np.array([[0, -1.0, 0, 11], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    answer = np.zeros((10, 12, 8))
    for x, y, z in np.argwhere(SHIFTED > 0):
        i, j, k, _ = np.linalg.inv(turned) @ [x, y, z, 1]
        answer[round(i), round(j), round(k)] = SHIFTED[x, y, z]
    finding = measure("dice", maps(tmp_path, [(BOTH, answer)], answer_affine_mm=turned))
    assert finding.value == pytest.approx(0.75)
    assert told(finding, "1 answer brought to the truth's grid")


def test_surface_distances_are_in_millimetres_of_the_truths_grid(tmp_path):
    moved = np.roll(BOTH, 1, axis=2)
    finding = measure("surface_distance", maps(tmp_path, [(BOTH, moved)], affine_mm=np.diag([1, 1, 3.0, 1])))
    assert finding.unit == "mm" and finding.higher_is_better is False
    assert finding.parts["hausdorff"].value == pytest.approx(3.0)
    assert finding.parts["hausdorff"].parts["anterior"].value == pytest.approx(3.0)
    sideways = np.roll(BOTH, 1, axis=0)
    across = measure("surface_distance", maps(tmp_path, [(BOTH, sideways)], affine_mm=np.diag([1, 1, 3.0, 1])))
    assert across.parts["hausdorff"].value == pytest.approx(1.0)


def test_the_headline_names_its_definition(tmp_path):
    finding = measure("surface_distance", maps(tmp_path, [(BOTH, SHIFTED)]), tolerance=2.0)
    assert "HD95 as MONAI defines it" in finding.definition
    assert "within 2 mm" in finding.parts["nsd"].definition
    assert finding.parts["nsd"].value == 1.0 and finding.parts["nsd"].higher_is_better


@pytest.mark.parametrize("missed", ["diagonal", "exclude"])
def test_a_missed_structure_is_far_away_or_left_out_but_always_counted(tmp_path, missed):
    alone, nothing = block(*ANTERIOR), np.zeros((12, 10, 8))
    finding = measure(
        "surface_distance", maps(tmp_path, [(BOTH, alone), (BOTH, BOTH), (nothing, nothing)]), missed=missed
    )
    diagonal = np.linalg.norm([11, 9, 7])
    posterior = finding.parts["posterior"]
    assert posterior.value == pytest.approx(diagonal / 2 if missed == "diagonal" else 0.0)
    assert posterior.cases == (2 if missed == "diagonal" else 1)
    rule = "counted as the image's diagonal" if missed == "diagonal" else "left out"
    assert told(finding, f"1 structure that only truth or answer has, {rule}")
    assert told(finding, "2 structures absent from truth and answer alike, left out")
    assert finding.cases == 2  # the case with nothing in it has no distance


def test_pixels_where_the_files_know_no_millimetres(tmp_path):
    from PIL import Image as Picture

    predictions = maps(tmp_path, [(BOTH, BOTH)])
    truth, answer = (np.zeros((20, 20), np.uint8) for _ in range(2))
    truth[5:10, 5:10] = 1
    answer[5:10, 7:12] = 1
    for name, each in (("truth.png", truth), ("answer.png", answer)):
        Picture.fromarray(each).save(tmp_path / name)
    table = predictions.table.assign(truth_path="truth.png", answer="answer.png")
    finding = measure("surface_distance", type(predictions)(table, predictions.question, tmp_path))
    assert finding.unit == "pixels" and finding.parts["hausdorff"].parts["anterior"].value == pytest.approx(2.0)


def test_real_hippocampi_measured_as_a_plain_loop_does(tmp_path, shared_data):
    import nibabel
    from scipy import ndimage

    labels = sorted((shared_data("hippocampus_msd_task04") / "labels").glob("*.nii.gz"))[:6]
    generator, pairs, affines = np.random.default_rng(0), [], []
    for path in labels:
        image = nibabel.load(path)
        truth = np.asarray(image.dataobj).astype(np.uint8)
        doubt = ndimage.gaussian_filter(generator.normal(size=truth.shape), 2)
        pairs.append((truth, np.where(doubt > np.quantile(doubt, 0.8), np.roll(truth, 1, 1), truth)))
        affines.append(image.affine)
    finding = measure("dice", maps(tmp_path, pairs))
    expected = [
        np.mean([2 * ((t == v) & (a == v)).sum() / ((t == v).sum() + (a == v).sum()) for v in (1, 2)]) for t, a in pairs
    ]
    assert list(finding.per_case.values()) == pytest.approx(expected)
    assert finding.value == pytest.approx(np.mean(expected))
