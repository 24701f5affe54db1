"""What stands between an output and a person: fitted where it must be, and honest about what it changed."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.image import Image
from preceptor.core.plugins import Pass, Prediction
from preceptor.core.slots import build
from tests.prove.answered import BINARY, binary, classes, labels, maps, numbers

DENSE = Question("segmentation", "label", ("background", "anterior", "posterior"), dense=True, values=(0, 1, 2))


def nobody(role="train"):
    return iter(())


# ---------------------------------------------------------------- temperature


def test_temperature_of_dense_answers_is_fitted_on_their_stored_voxels(tmp_path):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (3000, 3))
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([generator.choice(3, p=each) for each in honest])
    boastful = honest**2 / (honest**2).sum(1, keepdims=True)
    blank = np.zeros((4, 4, 4))
    stored = maps(tmp_path, [(blank, blank)] * 3)
    columns = {f"probability_{name}": boastful[:, at] for at, name in enumerate(DENSE.classes)}
    voxels = pandas.DataFrame({"key": np.repeat(stored.table["key"], 1000).to_numpy(), "truth": truth, **columns})
    state = build("safeguards", "temperature").fit(Predictions(stored.table, DENSE, tmp_path, voxels), nobody)
    assert state["temperature"] == pytest.approx(2.0, rel=0.1)
    with pytest.raises(Refusal, match="no calibration case is labelled"):
        build("safeguards", "temperature").fit(stored, nobody)


def test_temperature_of_labels_leaves_out_what_nobody_looked_at():
    generator = np.random.default_rng(1)
    logit = generator.normal(0, 2, (800, 2))
    truth = (generator.random((800, 2)) < 1 / (1 + np.exp(-logit))).astype(float)
    truth[:, 1] = np.nan
    state = build("safeguards", "temperature").fit(labels(truth, 1 / (1 + np.exp(-3 * logit))), nobody)
    assert state["temperature"] == pytest.approx(3.0, rel=0.15) and state["exclusive"] is False


def test_temperature_without_a_truth_is_refused():
    with pytest.raises(Refusal) as caught:
        build("safeguards", "temperature").fit(binary([-1, -1], [0.2, 0.4]), nobody)
    assert caught.value.problem.code == "calibrate_unlabelled"


# ---------------------------------------------------------------- passes


def test_mirrored_asks_for_every_combination_of_axes():
    flips = [each.flip for each in build("safeguards", {"mirrored": {"axes": [2, 0]}}).passes()]
    assert flips == [(0,), (2,), (0, 2)]
    assert build("safeguards", "mirrored").passes() == [Pass(flip=(0,))]


def test_mc_dropout_tells_disagreement_from_doubt():
    safeguard = build("safeguards", {"mc_dropout": {"samples": 4}})
    assert safeguard.passes() == [Pass(dropout=True, index=index) for index in range(4)]
    agreed = np.array([[0.5, 0.5]] * 5)
    torn = np.array([[1.0, 0.0], [0.0, 1.0]] * 2)
    doubt = safeguard(Prediction("a", BINARY, agreed.mean(0), passes=agreed)).parts
    disagreement = safeguard(Prediction("a", BINARY, torn.mean(0), passes=torn)).parts
    assert doubt == pytest.approx({"aleatoric": np.log(2), "epistemic": 0.0})
    assert disagreement == pytest.approx({"aleatoric": 0.0, "epistemic": np.log(2)})


# ---------------------------------------------------------------- largest component


def piece(label, top=None, **settings):
    made = Prediction("a", DENSE, label=np.array(label, np.uint8))
    made.top_probability = None if top is None else np.array(top, np.uint8)
    return build("safeguards", {"largest_component": settings})(made)


def test_the_largest_piece_of_every_structure_stays():
    label = np.zeros((6, 6), np.uint8)
    label[0, 0:3] = 1
    label[3:5, 0] = 1
    label[0, 5] = 2
    label[5, 2:6] = 2
    kept = piece(label)
    assert (kept.label == 1).sum() == 3 and (kept.label == 2).sum() == 4
    assert (kept.label[0, 0:3] == 1).all() and (kept.label[5, 2:6] == 2).all()
    assert kept.parts["removed_share"] == pytest.approx(3 / 10)


def test_corners_join_only_where_asked():
    label = np.array([[1, 0], [0, 1]])
    assert (piece(label).label == 1).sum() == 1
    assert (piece(label, connectivity="corners").label == 1).sum() == 2


def test_structures_taken_together_keep_what_touches():
    label = np.array([[1, 2, 0, 1], [1, 2, 0, 0]])
    assert (piece(label, together=True).label == [[1, 2, 0, 0], [1, 2, 0, 0]]).all()
    assert (piece([[1, 2, 1, 0, 0, 2]], together=True).label == [[1, 2, 1, 0, 0, 0]]).all()


def test_what_is_removed_has_the_probability_its_structure_left_over():
    kept = piece([[1, 1, 0, 1]], top=[[250, 240, 255, 200]])
    assert kept.top_probability.tolist() == [[250, 240, 255, 55]]


def test_an_empty_answer_stays_empty():
    assert piece(np.zeros((3, 3))).parts == {"removed_share": 0.0}


# ---------------------------------------------------------------- conformal


def fitted(predictions, **settings):
    safeguard = build("safeguards", {"conformal": settings})
    return safeguard.with_state(safeguard.fit(predictions, nobody))


def test_a_case_with_several_possible_classes_is_refused():
    generator = np.random.default_rng(2)
    probability = generator.dirichlet([2, 1, 1], 200)
    truth = np.array([generator.choice(3, p=each) for each in probability])
    predictions = classes(truth, probability)
    safeguard = fitted(predictions, coverage=0.8)
    sure = safeguard(Prediction("a", predictions.question, np.array([0.98, 0.01, 0.01])))
    torn = safeguard(Prediction("b", predictions.question, np.array([0.34, 0.33, 0.33])))
    assert sure.accepted and sure.parts["set_size"] == 1 and sure.parts["in_set_a"] == 1
    assert not torn.accepted and torn.parts["set_size"] == 3 and "a or b or c" in torn.reasons[0]
    lenient = fitted(predictions, coverage=0.8, abstain=False)
    assert lenient(Prediction("b", predictions.question, np.array([0.34, 0.33, 0.33]))).accepted


def test_an_interval_covers_new_cases():
    generator = np.random.default_rng(3)
    covered = []
    for _ in range(200):
        truth = generator.normal(60, 10, 60)
        answer = truth + generator.normal(0, 5, 60)
        safeguard = fitted(numbers(truth[:40], answer[:40]), coverage=0.9)
        for value, said in zip(truth[40:], answer[40:], strict=True):
            made = safeguard(Prediction("a", numbers([1], [1]).question, np.array([said])))
            covered.append(made.parts["lower"] <= value <= made.parts["upper"])
    assert 0.88 <= np.mean(covered) <= 0.93


def test_images_of_one_patient_are_no_further_patients():
    """Scores that are alike within a patient: the promise is for new patients, and must not be kept by their number."""
    generator = np.random.default_rng(4)
    covered = {"patients": [], "images": []}
    for _ in range(300):
        sizes = np.where(np.arange(20) < 2, 40, 1)  # two patients bring most of the images
        patients = np.repeat(np.arange(20), sizes)
        error = np.abs(generator.normal(0, 1, 20))
        new = np.abs(generator.normal(0, 1, 50))
        for way, given in (("patients", patients), ("images", None)):
            safeguard = fitted(numbers(np.zeros(len(patients)), error[patients], given), coverage=0.8)
            covered[way].append(np.mean(new <= safeguard.quantile))
    assert 0.79 <= np.mean(covered["patients"]) <= 0.90
    assert np.std(covered["images"]) > 1.3 * np.std(covered["patients"])


@pytest.mark.parametrize("patients", [0, 8])
def test_too_few_patients_for_the_promise_are_refused(patients):
    truth = [1] * max(patients, 3) if patients else [-1] * 3
    with pytest.raises(Refusal) as caught:
        fitted(binary(truth, [0.7] * len(truth)), coverage=0.9)
    assert caught.value.problem.code == "calibrate_too_few" and caught.value.problem.expected == "9 or more"


def test_the_bound_on_dice_holds_for_new_cases(tmp_path):
    """Blurred blocks answered with doubt: calibration voxels are a sample, new answers whole maps of eight bits."""
    generator = np.random.default_rng(5)

    def case():
        truth = np.zeros((16, 16, 16), bool)
        truth[4:12, 4:12, 4:12] = True
        field = np.where(truth, 1.5, -3.0) + generator.normal(0, 1.2, truth.shape) + generator.normal(0, 0.7)
        probability = 1 / (1 + np.exp(-field))
        return truth, np.stack([1 - probability, 0.9 * probability, 0.1 * probability])

    blank = np.zeros((2, 2, 2))
    stored = maps(tmp_path, [(blank, blank)] * 40)
    tables = []
    for key in stored.table["key"]:
        truth, probability = case()
        drawn = generator.choice(truth.size, 1500, replace=False)
        columns = {f"probability_{n}": probability[at].ravel()[drawn] for at, n in enumerate(DENSE.classes)}
        tables.append(pandas.DataFrame({"key": key, "truth": truth.ravel()[drawn].astype(int), **columns}))
    safeguard = fitted(Predictions(stored.table, DENSE, tmp_path, pandas.concat(tables)), coverage=0.9)
    kept, bounds, reached = [], [], []
    for _ in range(100):
        truth, probability = case()
        label = probability.argmax(0).astype(np.uint8)
        top = np.round(255 * probability.max(0)).astype(np.uint8)
        bound = safeguard(Prediction("a", DENSE, label=label, top_probability=top)).parts["dice_at_least"]
        real = 2 * ((label > 0) & truth).sum() / ((label > 0).sum() + truth.sum())
        kept.append(bound <= real)
        bounds.append(bound)
        reached.append(real)
    assert np.mean(kept) >= 0.84
    assert np.mean(reached) - np.mean(bounds) < 0.15  # a bound of 0 would always hold
    strict = build("safeguards", {"conformal": {"dice": 0.99}}).with_state({"quantile": safeguard.quantile})
    assert not strict(Prediction("a", DENSE, label=label, top_probability=top)).accepted


# ---------------------------------------------------------------- input control


def scan(generator, key="x", kind="head", spacing=1.0, shape=(40, 48), channels=1, modality="MR"):
    """A head with a bright rim and a darker inside; or, of another kind, stripes."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    radius = np.hypot(x / generator.uniform(0.6, 0.8), y / generator.uniform(0.7, 0.9))
    head = np.where(radius < 1, 60.0, 0.0) + np.where(np.abs(radius - 1) < 0.1, 100.0, 0.0)
    stripes = 80 * (np.sin(12 * x + generator.uniform(0, 6)) > 0)
    picture = {"head": head, "stripes": stripes, "blank": np.zeros(shape)}[kind]
    if kind != "blank":
        picture = picture + generator.normal(0, 5, shape)
    array = np.repeat(picture[None], channels, 0).astype(np.float32)
    image = Image(array, np.diag([spacing, spacing, 1, 1]), meta={"modality": modality})
    return Sample(key, {"scan": image})


@pytest.fixture(scope="module")
def control():
    generator = np.random.default_rng(6)
    roles = {"train": [scan(generator) for _ in range(60)], "calibrate": [scan(generator) for _ in range(30)]}
    safeguard = build("safeguards", "input_control")
    return safeguard.with_state(safeguard.fit(None, lambda role="train": iter(roles[role])))


def check(control, sample):
    return control(Prediction(sample.key, BINARY, np.array([0.5, 0.5]), sample=sample))


def test_images_of_the_kind_pass(control):
    generator = np.random.default_rng(7)
    made = [check(control, scan(generator)) for _ in range(40)]
    assert sum(not each.accepted for each in made) <= 1
    assert all(0 < each.parts["appearance"] < 2 for each in made)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"kind": "stripes"}, "unlike any the model learnt from"),
        ({"kind": "blank"}, "scan is blank"),
        ({"channels": 3}, "scan has 3 channels"),
        ({"modality": "CT"}, "scan is CT, and the model learnt from MR"),
        ({"spacing": 4.0}, "the voxels of scan measure 4 x 4 mm"),
        ({"shape": (80, 96)}, "scan covers 80 x 96 mm"),
    ],
)
def test_images_of_another_kind_are_refused_in_plain_words(control, settings, reason):
    made = check(control, scan(np.random.default_rng(8), **settings))
    assert not made.accepted and any(reason in each for each in made.reasons)


def test_brightness_and_contrast_are_no_reason(control):
    sample = scan(np.random.default_rng(9))
    image = sample.images["scan"]
    assert check(control, Sample("x", {"scan": image.with_array(3 * image.array + 500)})).accepted


def test_an_unknown_view_is_refused(control):
    sample = Sample("x", {"lateral": scan(np.random.default_rng(10)).images["scan"]})
    assert "no view 'lateral'" in check(control, sample).reasons[0]


def test_what_was_fitted_survives_being_sealed(control, tmp_path):
    from preceptor.core.state import read_state, write_state

    write_state(tmp_path / "state.safetensors", control.state)
    again = build("safeguards", "input_control").with_state(read_state(tmp_path / "state.safetensors")[0])
    sample = scan(np.random.default_rng(11))
    assert check(again, sample).parts == check(control, sample).parts


def test_without_held_out_images_there_is_no_threshold():
    generator = np.random.default_rng(12)
    roles = {"train": [scan(generator) for _ in range(5)], "calibrate": []}
    with pytest.raises(Refusal, match="no held-out case has the view 'scan'"):
        build("safeguards", "input_control").fit(None, lambda role="train": iter(roles[role]))
