"""Known answers of preparation and augmentation: I5.1, I5.2, the z-score, I6.1 to I6.4."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.applied import Displacement, Spatial
from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PrepareError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.maths.folding import folds, simard_displacement
from preceptor.maths.geometry import about_centre, embed, flip_map, rotation, spacing_map
from preceptor.maths.resampling import copy_voxels, resample
from preceptor.prepare.compose import apply_spatial, compose, prepare_sample
from preceptor.prepare.decided import generator
from preceptor.prepare.loader import Loader
from preceptor.prepare.patches import read_patch
from preceptor.prepare.store import prepare

from ..prepare.cases import Finding, Structures, dice, sample, volumes

# ---------------------------------------------------------------- I5.1 the window of Hounsfield units


@pytest.mark.answer("I5.1")
@pytest.mark.parametrize(
    ("centre", "width", "values", "expected"),
    [
        (40, 400, [-160, 40, 240], [0, 0.5, 1]),
        (-600, 1500, [-1350, 150], [0, 1]),
        (40, 400, [-3000, 140, 3000], [0, 0.75, 1]),
    ],
)
def test_window_is_linear_exact(centre, width, values, expected):
    window = build("transforms", {"window": {"centre_hu": centre, "width_hu": width}})
    out = prepare_sample(sample(np.array([values, values], dtype=float)), [window]).images["view"].array
    assert np.allclose(out[0, 0], expected, atol=1e-6)


@pytest.mark.answer("I5.1")
def test_padding_is_masked_before_the_window():
    """A padding value inside the window (0 in CT kept as unsigned numbers) would else look like tissue."""
    window = build("transforms", {"window": {"centre_hu": 40, "width_hu": 400}})
    array = np.array([[0.0, 40.0], [240.0, 0.0]])
    padded = prepare_sample(sample(array, padding_value=0), [window]).images["view"].array
    assert np.allclose(padded[0], [[0, 0.5], [1, 0]], atol=1e-6)
    assert prepare_sample(sample(array), [window]).images["view"].array[0, 0, 0] == pytest.approx(0.4)


# ---------------------------------------------------------------- I5.2 resampling


def _resampled(array, spacing, new, **how):
    matrix, shape = spacing_map(array.shape, spacing, new)
    return resample(array[None], matrix, shape, **how)[0], matrix


@pytest.mark.answer("I5.2")
def test_corners_stay_and_the_shape_is_rounded_up():
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3.0, 2], [0, 0, 0, 1]])
    shape, old, new = (7, 9, 5), np.array([1.5, 2.0, 3.0]), np.array([1.0, 3.0, 2.5])
    matrix, size = spacing_map(shape, old, new)
    assert size == (11, 6, 6)
    directions = affine[:3, :3] / old
    assert np.allclose((affine @ matrix)[:3, 3], affine[:3, 3] + directions @ (new - old) / 2)
    corner = np.array([-0.5, -0.5, -0.5, 1.0])
    assert np.allclose(affine @ matrix @ corner, affine @ corner)


@pytest.mark.answer("I5.2")
def test_a_constant_stays_constant_and_a_ramp_a_ramp():
    constant, _ = _resampled(np.full((20, 20, 20), 7.0, np.float32), (1, 1, 1), (1.7, 0.6, 2.3), antialias=True)
    assert np.abs(constant - 7).max() < 1e-5
    x, y, z = np.indices((20, 22, 24)).astype(np.float32)
    out, matrix = _resampled(x + 2 * y - 3 * z, (1, 1, 1), (1.7, 0.6, 2.3))
    i, j, k = (matrix[axis, axis] * np.indices(out.shape)[axis] + matrix[axis, 3] for axis in range(3))
    inside = (i >= 0) & (i <= 19) & (j >= 0) & (j <= 21) & (k >= 0) & (k <= 23)
    assert np.abs(out - (i + 2 * j - 3 * k))[inside].max() < 1e-5
    assert 0.05 < 1 - inside.mean() < 0.3  # those beyond the outermost centres …
    assert (out[~inside] != 0).any()
    edge = np.clip(i, 0, 19) + 2 * np.clip(j, 0, 21) - 3 * np.clip(k, 0, 23)
    assert np.abs(out - edge).max() < 1e-5  # … continue them, and are not 0


_BALL_MM3 = 4 / 3 * np.pi * 15**3


def _ball(shape, spacing):
    """A ball of 15 mm about the middle, and how far (mm) the centroid of an image on another grid is from it."""
    middle = [(size - 1) / 2 for size in shape]
    place = [(index - here) * each for index, here, each in zip(np.indices(shape), middle, spacing, strict=True)]

    def off(array, matrix):
        centroid = [np.average(index, weights=array) for index in np.indices(array.shape)]
        return (matrix[:3, :3] @ centroid + matrix[:3, 3] - middle) * np.array(spacing)

    return sum(each**2 for each in place) <= 225, off


@pytest.mark.answer("I5.2")
@pytest.mark.parametrize(
    ("shape", "spacing", "new", "volume_in", "thresholded", "total"),
    [
        ((40, 40, 40), (1, 1, 1), (2, 2, 2), 1.0135, 1.0774, 1.0135),
        ((42, 42, 42), (1, 1, 1), (1, 1, 3), 1.0135, 1.0203, 1.0203),
        ((40, 40, 10), (1, 1, 5), (1, 1, 1), 1.0214, 1.0214, 1.0214),
    ],
)
def test_a_ball_keeps_its_volume_and_its_place(shape, spacing, new, volume_in, thresholded, total):
    ball, off = _ball(shape, spacing)
    assert ball.sum() * np.prod(spacing) / _BALL_MM3 == pytest.approx(volume_in, abs=5e-5)
    linear, matrix = _resampled(ball.astype(np.float32), spacing, new)
    voxel = np.prod(new) / _BALL_MM3
    assert (linear >= 0.5).sum() * voxel == pytest.approx(thresholded, abs=5e-5)
    assert linear.sum() * voxel == pytest.approx(total, abs=5e-5)
    assert np.abs(off(linear, matrix)).max() < 0.05
    label, matrix = _resampled(ball.astype(np.uint8), spacing, new, nearest=True)
    assert np.abs(off(label, matrix)).max() < 0.05
    assert abs(label.sum() * voxel - 1) < 0.08


@pytest.mark.answer("I5.2")
def test_anisotropic_to_isotropic_passes_the_gates():
    ball, off = _ball((60, 60, 16), (0.7, 0.7, 2.5))
    linear, matrix = _resampled(ball.astype(np.float32), (0.7, 0.7, 2.5), (1, 1, 1))
    label, _ = _resampled(ball.astype(np.uint8), (0.7, 0.7, 2.5), (1, 1, 1), nearest=True)
    assert abs(linear.sum() / _BALL_MM3 - 1) < 0.025
    assert abs((linear >= 0.5).sum() / _BALL_MM3 - 1) < 0.08
    assert abs(label.sum() / _BALL_MM3 - 1) < 0.08
    assert np.abs(off(linear, matrix)).max() < 0.05


@pytest.mark.answer("I5.2")
def test_labels_at_factor_two_do_not_shift():
    """Every sample point lies half-way: rounding moves a structure by half a voxel, the vote does not."""
    for first in (10, 11):
        label = np.zeros((40, 40, 40), np.uint8)
        label[first : first + 15, first : first + 16, 12:30] = 3
        middle = np.array([np.average(index, weights=label) for index in np.indices(label.shape)])
        out, matrix = _resampled(label, (1, 1, 1), (2, 2, 2), nearest=True)
        centroid = np.array([np.average(index, weights=out) for index in np.indices(out.shape)])
        assert set(np.unique(out)) == {0, 3}
        assert np.abs(matrix[:3, :3] @ centroid + matrix[:3, 3] - middle).max() < 0.05


@pytest.mark.answer("I5.2")
def test_hippocampi_survive_the_round_trip(shared_data):
    root = shared_data("hippocampus_msd_task04") / "labels"
    found = {0.7: [], 2.0: []}
    for path in sorted(root.glob("*.nii.gz"))[:20]:
        label = read_image(root, path.name, is_label=True).array[0]
        for spacing, dices in found.items():
            there, matrix = _resampled(label, (1, 1, 1), (spacing,) * 3, nearest=True)
            back = resample(there[None], np.linalg.inv(matrix), label.shape, nearest=True)[0]
            dices.append([dice(back == value, label == value) for value in (1, 2)])
            if spacing < 1:
                volumes_in = np.array([(label == value).sum() for value in (1, 2)])
                volumes_out = np.array([(there == value).sum() for value in (1, 2)]) * spacing**3
                assert ((volumes_out / volumes_in > 0.96) & (volumes_out / volumes_in < 1.03)).all()
    assert np.min(found[0.7]) == 1.0
    assert (np.mean(found[2.0], axis=0) >= (0.853, 0.815)).all()
    assert (np.min(found[2.0], axis=0) >= (0.823, 0.781)).all()


# ---------------------------------------------------------------- I5.6 z-score


@pytest.mark.answer("I5.6")
def test_zscore():
    values = np.array([[0.0, 10, 20, 30, 100]] * 2)
    (over_all, over_positive) = (
        prepare_sample(sample(values), [build("transforms", {"zscore": {"over": over}})]).images["view"].array[0, 0]
        for over in ("all", "positive")
    )
    assert np.allclose(over_all, [-0.902932, -0.620766, -0.338600, -0.056433, 1.918731], atol=1e-6)
    assert np.allclose(over_positive, [-1.131371, -0.848528, -0.565685, -0.282843, 1.697056], atol=1e-6)


@pytest.mark.answer("I5.6")
@pytest.mark.parametrize("value", [0.0, 7.0, -3000.1, 0.1])
def test_zscore_of_a_constant_is_zero(value):
    out = prepare_sample(sample(np.full((9, 9), value)), [build("transforms", "zscore")]).images["view"].array
    assert (out == 0).all()


@pytest.mark.answer("I5.6")
def test_zscore_does_not_depend_on_the_unit():
    values = np.random.default_rng(0).normal(size=(40, 40)) * 20 + 50
    zscore = [build("transforms", "zscore")]
    out = prepare_sample(sample(values), zscore).images["view"].array
    scaled = prepare_sample(sample(3.7 * values + 25), zscore).images["view"].array
    assert np.abs(out - scaled).max() < 2e-6  # 1e-13 in double precision; images are kept in single


@pytest.mark.answer("I5.6")
def test_zscore_brings_scanners_together(shared_data):
    """60 hippocampus images: spread of the structure's mean between cases over the deviation within them."""
    root = shared_data("hippocampus_msd_task04")
    names = sorted(path.name for path in (root / "images").glob("*.nii.gz"))
    chosen = [names[i] for i in np.random.default_rng(0).choice(len(names), 60, replace=False)]
    raw, scored = [], []
    for name in chosen:
        image = read_image(root, f"images/{name}")
        inside = read_image(root, f"labels/{name}", is_label=True).array[0] > 0
        done = prepare_sample(Sample("a", {"mri": image}), [build("transforms", "zscore")]).images["mri"].array
        for kept, array in ((raw, image.array), (scored, done)):
            kept.append((array[0][inside].mean(dtype=float), array[0][inside].std(dtype=float)))
    spread = {
        name: np.std([m for m, _ in kept]) / np.mean([s for _, s in kept])
        for name, kept in (("raw", raw), ("z", scored))
    }
    assert spread["z"] <= 0.35 < 1 < spread["raw"]


# ---------------------------------------------------------------- I6.1 elastic


@pytest.mark.answer("I6.1")
def test_the_published_elastic_distortion():
    field = simard_displacement(np.random.default_rng(0), (64, 64), alpha=34, sigma=4)
    assert np.sqrt((field**2).mean()) == pytest.approx(1.2915, abs=5e-5)
    assert np.abs(field).max() == pytest.approx(4.4787, abs=5e-5)
    assert np.allclose(field[:, 10, 20], (-0.495330333, 2.170499255), atol=1e-6)
    for seed, rms in ((1, 1.4520), (2, 1.3358)):
        other = simard_displacement(np.random.default_rng(seed), (64, 64), 34, 4)
        assert np.sqrt((other**2).mean()) == pytest.approx(rms, abs=5e-5)


@pytest.mark.answer("I6.1")
def test_nothing_folds():
    """Of the published distortion one in fifty does, of strong control points most; what is drawn does not."""
    flat = sample(np.zeros((64, 64)))
    published = [
        simard_displacement(np.random.default_rng(seed), (64, 64), 34, 4).astype(np.float32) for seed in range(50)
    ]
    assert sum(folds(field, (64, 64)) for field in published) == 1
    assert min(_smallest_determinant(field) for field in published) == pytest.approx(-0.194, abs=0.05)
    for seed in range(50):
        applied = build("transforms", "simard").draw(np.random.default_rng(seed), flat)
        assert _smallest_determinant(applied.displacement.control) > 0
    cube = sample(np.zeros((32, 40, 32)))
    strong = build("transforms", {"elastic": {"spacing_mm": 8, "sigma_mm": 6}})
    from preceptor.maths.warps import spread

    for seed in range(20):
        control = strong.draw(np.random.default_rng(seed), cube).displacement.control
        assert _smallest_determinant(spread(control, (32, 40, 32))) > 0


def _smallest_determinant(field):
    """By finite differences."""
    dims = len(field)
    jacobian = np.array(
        [[np.gradient(field[i].astype(float), axis=j) + (i == j) for j in range(dims)] for i in range(dims)]
    )
    return np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1))).min()


@pytest.mark.answer("I6.1")
def test_labels_stay_in_their_set_and_move_with_the_image():
    blob = _blob()
    label = np.where(blob, 4, 0).astype(np.uint8)
    label[28:36, 28:36] = 1
    given = sample(blob.astype(float), label=label)
    images = [given.images["view"], given.masks["label"]]
    invented = set()
    for seed in range(50):
        field = simard_displacement(np.random.default_rng(seed), (64, 64), 34, 4).astype(np.float32)
        spatial = Spatial(np.eye(3), displacement=Displacement(field))
        image, mask = read_patch(images, [0.0, 0.0], (64, 64), (0, 0), spatial)
        assert set(torch.unique(mask).tolist()) <= {0, 1, 4}
        assert dice(image[0].numpy() > 0.5, mask[0].numpy() > 0) >= 0.99
        blurred = read_patch([Image(label[None].astype(np.float32), np.eye(4))], [0.0], (64, 64), (0, 0), spatial)[0]
        invented |= set(blurred.round().unique().tolist())
    assert invented == {0, 1, 2, 3, 4}  # what interpolated labels would have become


def _blob():
    x, y = np.indices((64, 64)) - 31.5
    return (x / 20) ** 2 + (y / 14) ** 2 < 1


# ---------------------------------------------------------------- I6.2 flip, rotate, shift


@pytest.mark.answer("I6.2")
def test_small_arrays_move_as_they_should():
    array = np.array([[[0, 1, 2], [3, 4, 5]]])
    assert copy_voxels(array, flip_map((2, 3), [1]), (2, 3), 0).tolist() == [[[2, 1, 0], [5, 4, 3]]]
    quarter = np.array([[0.0, 1, 0], [-1, 0, 2], [0, 0, 1]])  # output (i, j) shows input (j, 2 - i)
    assert resample(array, quarter, (3, 2), nearest=True).tolist() == [[[2, 5], [1, 4], [0, 3]]]
    shift = np.array([[1.0, 0, 0], [0, 1, -1], [0, 0, 1]])
    assert resample(array, shift, (2, 3), fill=0).tolist() == [[[0, 0, 1], [0, 3, 4]]]


@pytest.mark.answer("I6.2")
def test_a_flip_changes_the_affine_and_not_the_world():
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = 10, 20, 30
    flipped = affine @ embed(flip_map((5, 6, 7), [0]))
    assert flipped[:3, 0].tolist() == [-2, 0, 0]
    assert flipped[:3, 3].tolist() == [18, 20, 30]


@pytest.mark.answer("I6.2")
def test_four_quarter_turns_are_the_identity_bit_for_bit():
    array = np.random.default_rng(0).normal(size=(1, 9, 9)).astype(np.float32)
    turn = about_centre(rotation([np.pi / 2]), (0, 0), (9, 9))
    once = resample(array, turn, (9, 9))
    assert (once[0] == np.rot90(array[0], -1)).all() or (once[0] == np.rot90(array[0])).all()
    out = array
    for _ in range(4):
        out = resample(out, turn, (9, 9))
    assert (out == array).all()


@pytest.mark.answer("I6.2")
def test_maps_are_composed_and_interpolated_once():
    array = np.random.default_rng(0).normal(size=(48, 48))
    given = sample(np.where(_disc(48), array, 0))
    step = Spatial(about_centre(rotation([np.deg2rad(10)]), (0, 0), (48, 48)), fill=0.0)
    again, whole = given, step
    for number in range(36):
        again = apply_spatial(again, step)
        whole = step if number == 0 else compose(whole, step, (48, 48))
    once = apply_spatial(given, whole)
    before = given.images["view"].array
    assert np.corrcoef(once.images["view"].array.ravel(), before.ravel())[0, 1] > 0.999999
    assert once.images["view"].array.std() == pytest.approx(before.std(), rel=1e-5)
    assert np.corrcoef(again.images["view"].array.ravel(), before.ravel())[0, 1] < 0.96
    assert again.images["view"].array.std() < 0.75 * before.std()


def _disc(size):
    x, y = np.indices((size, size)) - (size - 1) / 2
    return x**2 + y**2 < (size / 2 - 4) ** 2


@pytest.mark.answer("I6.2")
def test_a_recipe_with_several_maps_interpolates_once():
    """Two half-voxel steps back and forth are nothing when composed, and a blur when each is applied."""
    values = np.random.default_rng(1).normal(size=(16, 16))
    there = _Map(np.array([[1.0, 0, 0.5], [0, 1, 0], [0, 0, 1]]))
    back = _Map(np.array([[1.0, 0, -0.5], [0, 1, 0], [0, 0, 1]]))
    out = prepare_sample(sample(values), [there, back]).images["view"].array[0]
    assert np.allclose(out, values.astype(np.float32), atol=1e-6)


class _Map:
    reads_pixels = False

    def __init__(self, matrix):
        self.matrix = matrix

    def draw(self, rng, sample):
        return Spatial(self.matrix)


# ---------------------------------------------------------------- I6.3 sides


def _sided(classes, affine=None):
    label = np.zeros((6, 4, 4), np.uint8)
    label[1] = 1
    label[4] = 2
    given = sample(np.zeros((6, 4, 4)), affine, label)
    return Sample("a", given.images, given.masks, mask_values={"label": dict(enumerate(classes))})


@pytest.mark.answer("I6.3")
def test_a_mirror_exchanges_left_and_right_labels():
    flip = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0}})
    given = _sided(("background", "Left hippocampus", "Right hippocampus"))
    applied = flip.draw(np.random.default_rng(0), given)
    assert applied.relabel == {"label": {1: 2, 2: 1}}
    out = apply_spatial(given, applied).masks["label"].array[0]
    assert (out[4] == 2).all() and (out[1] == 1).all()  # on the other side, and named after it
    unsided = flip.draw(np.random.default_rng(0), _sided(("background", "anterior", "posterior")))
    assert unsided.relabel == {}


@pytest.mark.answer("I6.3")
def test_left_and_right_are_found_through_the_affine():
    """Axis 1 runs from right to left here: that is the one to mirror, and only it exchanges sides."""
    affine = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    given = _sided(("background", "left", "right"), affine)
    sides = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0}}).draw(np.random.default_rng(0), given)
    assert np.diag(sides.matrix).tolist() == [1, -1, 1, 1] and sides.relabel
    front = build("transforms", {"flip": {"axes": ["anterior-posterior"], "chance": 1.0}}).draw(
        np.random.default_rng(0), given
    )
    assert np.diag(front.matrix).tolist() == [-1, 1, 1, 1] and not front.relabel


@pytest.mark.answer("I6.3")
def test_a_side_without_partner_is_refused():
    flip = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0}})
    lonely = _sided(("background", "left lung", "heart"))
    with pytest.raises(PrepareError, match="left lung"):
        flip.draw(np.random.default_rng(0), lonely)
    kept = {"left lung": "left lung", "heart": "heart"}
    named = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0, "sides": kept}})
    assert named.draw(np.random.default_rng(0), lonely).relabel == {}
    classes = Question("classification", "side", ("left", "right"))
    assert not flip.suits(classes)
    assert flip.suits(Question("classification", "finding", ("absent", "present")))
    assert not flip.suits(Question("segmentation", "label", ("background", "left lung"), dense=True))
    assert build("transforms", {"flip": {"axes": ["superior-inferior"]}}).suits(classes)
    labelled = Sample("a", lonely.images, labels={"laterality": "left"})
    with pytest.raises(PrepareError, match="laterality"):
        flip.draw(np.random.default_rng(0), labelled)


@pytest.mark.answer("I6.3")
def test_what_lies_on_one_side_is_mirrored_only_when_asked_for():
    """The heart, its chambers (a mirrored left ventricle is no right one), and images that show one side."""
    flip = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0}})
    asked = build("transforms", {"flip": {"axes": ["left-right"], "chance": 1.0, "one_sided": "mirror"}})
    for classes in (("background", "lung", "heart"), ("background", "left ventricle", "right ventricle")):
        with pytest.raises(PrepareError, match=classes[1] if "ventricle" in classes[1] else "heart"):
            flip.draw(np.random.default_rng(0), _sided(classes))
        assert not flip.suits(Question("segmentation", "label", classes, dense=True))
        assert asked.draw(np.random.default_rng(0), _sided(classes)).relabel == {}
    brain = _sided(("background", "left lateral ventricle", "right lateral ventricle"))
    assert flip.draw(np.random.default_rng(0), brain).relabel == {"label": {1: 2, 2: 1}}
    breast = Sample("a", brain.images, fields={"ImageLaterality": "L"})
    with pytest.raises(PrepareError, match="ImageLaterality"):
        flip.draw(np.random.default_rng(0), breast)
    assert isinstance(asked.draw(np.random.default_rng(0), breast), Spatial)
    both = Sample("a", brain.images, fields={"ImageLaterality": "B"})
    assert isinstance(flip.draw(np.random.default_rng(0), both), Spatial)


@pytest.mark.answer("I6.3")
def test_a_half_turn_is_no_mirror_and_does_not_bring_left_to_right_unasked():
    """It leaves names as they are; where a name is a side, only the anatomy around would still tell, so it is refused."""
    sides = ("background", "left hippocampus", "right hippocampus")
    half = {"degrees": [0, 0, 180], "quarter_turns": True}
    for transform in ({"rotate": half}, {"affine": {"degrees": 120}}):
        made = build("transforms", transform)
        with pytest.raises(PrepareError, match="left hippocampus"):
            made.draw(np.random.default_rng(0), _sided(sides))
        assert not made.suits(Question("segmentation", "label", sides, dense=True))
        made.draw(np.random.default_rng(0), _sided(("background", "anterior", "posterior")))
    asked = build("transforms", {"rotate": {**half, "turned_sides": "keep"}})
    turned = [asked.draw(np.random.default_rng(seed), _sided(sides)) for seed in range(9)]
    moved = [each for each in turned if isinstance(each, Spatial)]
    assert moved and all(each.relabel == {} and np.linalg.det(each.matrix) > 0 for each in moved)
    nodding = build("transforms", {"rotate": {"degrees": [180, 0, 0]}})  # about left-right: the left stays on the left
    assert isinstance(nodding.draw(np.random.default_rng(0), _sided(sides)), Spatial)
    for name in ("affine", "rotate", "shift", "scale", "shear", "crop"):
        for seed in range(20):
            drawn = build("transforms", name).draw(np.random.default_rng(seed), _sided(("background", "a", "b")))
            assert isinstance(drawn, Spatial) and np.linalg.det(drawn.matrix) > 0, "none of them mirrors"


# ---------------------------------------------------------------- I6.4 draws


@pytest.mark.answer("I6.4")
def test_the_key_of_a_draw():
    assert np.allclose(generator(7, 0, 1).uniform(size=3), (0.833175, 0.484337, 0.725660), atol=1e-6)


_AUGMENT = [{"flip": {"axes": ["left-right"]}}, "affine", {"elastic": {"spacing_mm": 8}}, "noise", "gamma"]


#: Every transform of pixel values that takes a volume, and one that draws among others.
_ARTEFACTS = [
    *("rician_noise", "poisson_noise", "speckle", "blur", "sharpen", "contrast", "brightness", "bias_field", "motion"),
    *("ghosting", "spike", "anisotropy", "low_dose", "jpeg", "cutout", "ultrasound_shadow", "ultrasound_gain"),
    {"rand_augment": {"transforms": ["affine", "noise", {"gamma": {"chance": 0.5}}], "count": 3}},
]
#: Those that take a picture in colour.
_OF_PICTURES = [{"stain_jitter": {"chance": 0.7}}, "perspective", "screen_photograph", {"jpeg": {"colour": True}}]


def _loader(folder, workers=0, augment=_AUGMENT, **settings):
    cohort = volumes(folder / "data", ((16, 18, 14),) * settings.pop("cases", 16))
    store = prepare(cohort, [build("transforms", "zscore")], Structures(), folder / "prepared", fit_on=cohort.cases)
    chosen = {"views": ("t1",), "batch_size": 4, "seed": 7, "patch": (12, 12, 12), **settings}
    return Loader(
        store, cohort.cases, Structures(), augment=[build("transforms", a) for a in augment], workers=workers, **chosen
    )


def _pixels(batches):
    return {
        (key, n): (image, mask)
        for batch in batches
        for n, (key, image, mask) in enumerate(zip(batch.keys, batch.images["t1"], batch.targets["label"], strict=True))
    }


@pytest.mark.answer("I6.4")
def test_any_number_of_workers_gives_the_same_batches(tmp_path):
    alone = [list(_loader(tmp_path).epoch(epoch)) for epoch in (0, 1)]
    for workers in (1, 2, 4):
        loader = _loader(tmp_path, workers)
        for epoch in (0, 1):  # the same workers again: none may keep a stale epoch
            for ours, theirs in zip(alone[epoch], loader.epoch(epoch), strict=True):
                assert ours.keys == theirs.keys
                assert torch.equal(ours.images["t1"], theirs.images["t1"])
                assert torch.equal(ours.targets["label"], theirs.targets["label"])


@pytest.mark.answer("I6.4")
def test_the_device_draws_the_same(tmp_path):
    alone = list(_loader(tmp_path, cases=6).epoch(1))
    for workers in (0, 2):
        moved = _loader(tmp_path, workers, cases=6, augment_on=torch.device("cpu"))
        for ours, theirs in zip(alone, moved.epoch(1), strict=True):
            assert ours.keys == theirs.keys
            torch.testing.assert_close(ours.images["t1"], theirs.images["t1"], rtol=1e-4, atol=1e-4)
            assert (ours.targets["label"] == theirs.targets["label"]).double().mean() > 0.999


@pytest.mark.answer("I6.4")
def test_any_number_of_workers_gives_the_same_artefacts(tmp_path):
    plain = [list(_loader(tmp_path, augment=[], cases=6).epoch(epoch)) for epoch in (0, 1)]
    alone = [list(_loader(tmp_path, augment=_ARTEFACTS[:-1], cases=6).epoch(epoch)) for epoch in (0, 1)]
    for bare, varied in zip(plain, alone, strict=True):
        for before, after in zip(bare, varied, strict=True):
            assert before.keys == after.keys and torch.equal(before.targets["label"], after.targets["label"])
            assert after.images["t1"].isfinite().all() and not torch.equal(before.images["t1"], after.images["t1"])
    for workers in (1, 2):
        loader = _loader(tmp_path, workers, augment=_ARTEFACTS[:-1], cases=6)
        for epoch in (0, 1):
            assert _same(alone[epoch], list(loader.epoch(epoch)))
    drawn = [list(_loader(tmp_path, workers, augment=_ARTEFACTS[-1:], cases=6).epoch(0)) for workers in (0, 2)]
    assert _same(*drawn) and not _same(plain[0], drawn[0])


@pytest.mark.answer("I6.4")
def test_any_number_of_workers_gives_the_same_pictures(tmp_path):
    from PIL import Image as Picture

    rng = np.random.default_rng(0)
    for number in range(6):
        Picture.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    cases = [Case(f"c{number}", {"t1": f"{number}.png"}, labels={"finding": number % 2}) for number in range(6)]
    store = prepare(Cohort(tuple(cases), tmp_path), [], Finding(), tmp_path / "prepared", fit_on=cases)
    augment = [build("transforms", each) for each in _OF_PICTURES]
    drawn = [
        list(
            Loader(
                store, cases, Finding(), views=("t1",), batch_size=2, seed=7, augment=augment, workers=workers
            ).epoch(1)
        )
        for workers in (0, 1, 2)
    ]
    assert drawn[0][0].images["t1"].shape == (2, 3, 20, 24)
    assert _same(drawn[0], drawn[1]) and _same(drawn[0], drawn[2])


def _same(ours, theirs):
    return len(ours) == len(theirs) and all(
        one.keys == other.keys
        and torch.equal(one.images["t1"], other.images["t1"])
        and all(
            torch.equal(one.targets[name].nan_to_num(-1), other.targets[name].nan_to_num(-1)) for name in one.targets
        )
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.mark.answer("I6.4")
def test_every_epoch_and_every_draw_differs(tmp_path):
    loader = _loader(tmp_path, patches_per_case=2)
    seen = {}
    for epoch in range(3):
        for batch in loader.epoch(epoch):
            for key, image in zip(batch.keys, batch.images["t1"], strict=True):
                seen.setdefault(key, []).append(image)
    assert len(seen) == 16
    for images in seen.values():
        assert len(images) == 6  # online: as many distinct draws as epochs times patches
        assert all(not torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])


@pytest.mark.answer("I6.4")
@pytest.mark.parametrize("name", ["noise", "rician_noise", "poisson_noise", "speckle", "low_dose", "screen_photograph"])
def test_every_draw_throws_dice_of_its_own(name):
    """Not the same grains at another strength."""
    flat = np.full((64, 64), 50.0)
    flat[0, 0] = 0.0
    settings = {"screen_photograph": {"moire": 0.0, "glare": 0.0, "veil": 0.0}}.get(name, {})
    grains = []
    for seed in (0, 1, 2):
        applied = build("transforms", {name: settings}).draw(np.random.default_rng(seed), sample(flat))
        grains.append(applied.function(torch.from_numpy(flat[None].astype(np.float32)))[0, 9:].numpy().ravel())
    assert np.abs(np.corrcoef(grains) - np.eye(3)).max() < 0.1
