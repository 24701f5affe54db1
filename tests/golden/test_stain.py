"""Known answers of stained sections: Macenko and Reinhard (P1.8, I5.8), the tissue mask (P1.9, I5.7)."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.read import read_image
from preceptor.intake.slides.tissue import tissue
from preceptor.maths.stain import concentrations, from_ruderman, macenko_stains, optical_density, restain, ruderman
from preceptor.prepare.compose import prepare_sample

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
DYES = np.stack([HAEMATOXYLIN / np.linalg.norm(HAEMATOXYLIN), EOSIN / np.linalg.norm(EOSIN)])


def angles(found, true):
    """Degrees between vectors, haematoxylin and eosin."""
    return np.degrees(np.arccos(np.clip((found * true).sum(1), -1, 1)))


def picture(pixels, shape, key="a"):
    """Pixels ``(pixel, 3)`` as a case."""
    array = np.moveaxis(np.asarray(pixels).reshape(*shape, 3), -1, 0)
    return Sample(key, {"slide": Image(array, np.eye(4), meta={"geometry": "unknown"})})


def stained(rng, number, pure=0.1, dyes=DYES, bits=True):
    """Pixels of two dyes: shares `pure` of one alone, as many of the other, the rest mixed."""
    share = rng.uniform(0, 1, number)
    share[: int(pure * number)] = 1
    share[int(pure * number) : int(2 * pure * number)] = 0
    amount = np.stack([share, 1 - share], 1) * rng.uniform(0.3, 1.5, (number, 1))
    rgb = 240 * np.exp(-amount @ dyes)
    return (np.rint(rgb) if bits else rgb), amount


@pytest.fixture(scope="module")
def nuclei():
    """The stained pictures of the nuclei, read once."""
    from ..conftest import SHARED

    root = SHARED / "nuclei_dsb2018"
    if not root.is_dir():
        pytest.skip("real data nuclei_dsb2018 is not here")
    rows = [row for row in csv.DictReader((root / "metadata.csv").open()) if row["kind"] == "stained_rgb"]
    rows = [row for row in rows if (root / row["image"]).exists()]
    return [Sample(row["case"], {"slide": read_image(root, row["image"])}) for row in rows]


@pytest.fixture(scope="module")
def slide():
    """The slide's one level as ``(x, y, 3)``."""
    from ..conftest import SHARED

    root = SHARED / "wsi_small"
    if not root.is_dir():
        pytest.skip("real data wsi_small is not here")
    return np.moveaxis(read_image(root, "CMU-1-Small-Region.svs::0").array, 0, -1).astype(np.float32)


# ---------------------------------------------------------------- P1.8 stains


@pytest.mark.answer("P1.8")
def test_four_pixels_and_their_two_stains():
    amount = np.array([[1, 0], [0, 1], [0.5, 0.5], [1.2, 0.3]])
    seen = np.array(
        [
            [125.152263, 119.038370, 179.494517],
            [223.751755, 89.050203, 214.965828],
            [167.341084, 102.958201, 196.431127],
            [107.584762, 76.843869, 163.857616],
        ]
    )
    assert np.allclose(240 * np.exp(-amount @ DYES), seen, atol=1e-6)
    found = macenko_stains(seen, least_density=0, percent=0)
    assert np.allclose(found.vectors, DYES, atol=1e-6)
    assert np.allclose(concentrations(optical_density(seen), found.vectors), amount, atol=1e-6)
    assert np.allclose(restain(seen, found, found.vectors, found.strongest), seen, atol=1e-6)


@pytest.mark.answer("P1.8")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stains_are_found_where_some_pixels_are_pure(seed):
    pixels, _ = stained(np.random.default_rng(seed), 10_000)
    off = angles(macenko_stains(pixels).vectors, DYES)
    assert off[0] <= 0.5 and 3.0 <= off[1] <= 4.5, "eosin is turned by the rule on the least density"
    free = angles(macenko_stains(pixels, least_density=0).vectors, DYES)
    assert free.max() <= 0.5
    exact, _ = stained(np.random.default_rng(seed), 10_000, bits=False)
    assert angles(macenko_stains(exact, least_density=0).vectors, DYES).max() <= 0.01


@pytest.mark.answer("P1.8")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_pure_pixels_the_vectors_are_biased_and_the_share_tells(seed):
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.2, 0.8, 10_000)
    amount = np.stack([share, 1 - share], 1) * rng.uniform(0.3, 1.5, (10_000, 1))
    mixed = macenko_stains(np.rint(240 * np.exp(-amount @ DYES)))
    assert angles(mixed.vectors, DYES).max() <= 9
    pure = macenko_stains(stained(rng, 10_000)[0])
    assert mixed.near_pure < pure.near_pure - 0.05


@pytest.mark.answer("P1.8")
def test_two_spaces_called_lab():
    from skimage.color import rgb2lab

    for rgb, cielab, logarithmic in (
        ((128, 128, 128), (53.585013, 0, 0), (-0.519409, 0.000764, 0.000092)),
        ((200, 100, 150), (55.683397, 45.545087, -8.846364), (-0.474637, -0.032993, 0.038660)),
    ):
        step = build("transforms", {"reinhard": {"space": "cielab"}})
        assert np.allclose(step._lab(np.array([[rgb]], float))[0, 0], cielab, atol=4e-3)
        assert np.allclose(rgb2lab(np.array([[rgb]]) / 255)[0, 0], cielab, atol=4e-3)
        assert np.allclose(ruderman(np.array(rgb) / 255), logarithmic, atol=1e-6)
        assert np.allclose(from_ruderman(ruderman(np.array(rgb) / 255)) * 255, rgb, atol=1e-9)


@pytest.mark.answer("P1.8")
def test_the_reference_is_the_training_cases_and_is_stored():
    """Sections in other stains are shown in the training cases' own, whatever else is prepared beside them."""
    rng = np.random.default_rng(3)
    other = np.stack([[0.55, 0.75, 0.37], [0.20, 0.90, 0.39]])
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    train = [picture(stained(rng, 2500)[0], (50, 50), f"t{number}") for number in range(3)]
    test = picture(stained(rng, 2500, dyes=other)[0], (50, 50), "x")
    step = build("transforms", {"macenko": {"least_density": 0.0}})
    state = step.fit(iter(train))
    assert angles(state["vectors"], DYES).max() <= 0.5
    shown = prepare_sample(test, [step.with_state(state)]).images["slide"].array
    assert shown.dtype == np.float32 and shown.shape == (3, 50, 50)
    assert angles(macenko_stains(shown.reshape(3, -1).T, least_density=0).vectors, DYES).max() <= 1.0


@pytest.mark.answer("P1.8")
@pytest.mark.slow
def test_sixty_seven_sections(nuclei):
    from skimage.color import rgb2lab
    from skimage.metrics import structural_similarity

    assert len(nuclei) == 67

    def spread(pictures):
        return np.array([lab.reshape(-1, 3).mean(0) for lab in pictures]).std(0)

    before = [rgb2lab(np.moveaxis(each.images["slide"].array, 0, -1) / 255) for each in nuclei]
    assert np.allclose(spread(before), [7.41, 8.87, 10.38], atol=0.01)
    for name, most in (("reinhard", 0.1), ("macenko", 0.85)):
        step = build("transforms", {name: {"unclear": "keep"} if name == "macenko" else {}})
        step = step.with_state(step.fit(iter(nuclei)))
        after = [
            rgb2lab(np.moveaxis(prepare_sample(each, [step]).images["slide"].array, 0, -1) / 255) for each in nuclei
        ]
        assert (spread(after) <= most * spread(before)).all()
        if name == "reinhard":
            alike = [
                structural_similarity(a[..., 0], b[..., 0], data_range=100) for a, b in zip(before, after, strict=True)
            ]
            assert np.median(alike) >= 0.95


# ---------------------------------------------------------------- I5.8 stains


@pytest.mark.answer("I5.8")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gamma_concentrations(seed):
    dyes = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    amount = np.random.default_rng(seed).gamma(1.0, 0.6, (40_000, 2))
    pixels = np.rint(np.clip(240 * np.exp(-amount @ dyes), 0, 255))
    found = macenko_stains(pixels)
    assert angles(found.vectors, dyes).max() <= 1
    got = concentrations(optical_density(pixels), found.vectors)
    assert min(np.corrcoef(got[:, dye], amount[:, dye])[0, 1] for dye in (0, 1)) >= 0.99


@pytest.mark.answer("I5.8")
def test_the_slide_in_its_own_colours(slide):
    pixels = slide[::3, ::3].reshape(-1, 3)
    found = macenko_stains(pixels)
    pixels = pixels[::10]
    expected = np.array([[0.8167, 0.4998, 0.2883], [0.1606, 0.9131, 0.3748]])
    assert angles(found.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True)).max() <= 1
    assert np.allclose(found.strongest, [2.066, 2.137], rtol=0.04)
    changed = np.abs(restain(pixels, found, found.vectors, found.strongest) - pixels).mean()
    assert 1 < changed < 5, "what two stains do not explain is dropped, on the glass above all"
    lab = ruderman(slide[::2, ::2] / 255).reshape(-1, 3)
    assert np.allclose(lab.mean(0), [-0.238641, -0.022059, 0.008738], atol=1e-3)
    assert np.allclose(lab.std(0), [0.367231, 0.059726, 0.016923], atol=2e-3)
    small = picture(slide[::8, ::8].reshape(-1, 3), slide[::8, ::8].shape[:2])
    step = build("transforms", {"reinhard": {"space": "ruderman"}})
    again = prepare_sample(small, [step.with_state(step.fit([small]))]).images["slide"].array
    assert abs(again.mean() - small.images["slide"].array.mean()) <= 0.5


@pytest.mark.answer("I5.8")
def test_reinhard_evens_out_sections_of_many_stains(nuclei):
    some = nuclei[::4]
    step = build("transforms", {"reinhard": {"space": "ruderman"}})
    step = step.with_state(step.fit(iter(some)))

    def spread(cases):
        return np.array([case.images["slide"].array.reshape(3, -1).mean(1) for case in cases]).std(0)

    assert (spread([prepare_sample(case, [step]) for case in some]) <= 0.35 * spread(some)).all()


@pytest.mark.answer("I5.8")
def test_stains_that_can_not_be_told_apart_are_refused_or_kept():
    rng = np.random.default_rng(0)
    one_dye = picture(np.rint(240 * np.exp(-rng.uniform(0.3, 1.5, (900, 1)) * DYES[:1])), (30, 30))
    two_dyes = picture(stained(rng, 900)[0], (30, 30))
    glass = picture(np.full((900, 3), 238.0), (30, 30))
    step = build("transforms", "macenko")
    state = step.fit([two_dyes, one_dye])
    assert np.allclose(state["vectors"], step.fit([two_dyes])["vectors"]), "an unclear section takes no part"
    faint = picture(np.rint(240 * (two_dyes.images["slide"].array.reshape(3, -1).T / 240) ** 0.3), (30, 30))
    step = build("transforms", {"macenko": {"least_density": 0.01}})
    keeping = build("transforms", {"macenko": {"least_density": 0.01, "unclear": "keep"}}).with_state(state)
    for unclear in (one_dye, glass, faint):
        with pytest.raises(PrepareError) as told:
            prepare_sample(unclear, [step.with_state(state)])
        assert told.value.problem.code == "stains_unclear"
        kept = prepare_sample(unclear, [keeping]).images["slide"].array
        assert np.array_equal(kept, unclear.images["slide"].array)
    grey = Sample("a", {"slide": Image(np.zeros((1, 9, 9)), np.eye(4))})
    with pytest.raises(PrepareError) as told:
        prepare_sample(grey, [step.with_state(state)])
    assert told.value.problem.code == "not_stained"


# ---------------------------------------------------------------- P1.9, I5.7 tissue


@pytest.mark.answer("P1.9")
@pytest.mark.parametrize(("block", "grey", "saturation"), [(4, 0.298, 0.290), (16, 0.342, 0.318), (32, 0.355, 0.323)])
def test_the_share_of_tissue_on_the_slide(slide, block, grey, saturation):
    assert tissue(slide, "grey", block).share == pytest.approx(grey, abs=0.01)
    assert tissue(slide, "saturation", block).share == pytest.approx(saturation, abs=0.01)


@pytest.mark.answer("P1.9")
def test_thresholds_at_eight_micrometres(slide):
    assert tissue(slide, "grey", 16).threshold == pytest.approx(0.708, abs=0.003)
    assert tissue(slide, "saturation", 16).threshold == pytest.approx(0.191, abs=0.003)


@pytest.mark.answer("P1.9")
@pytest.mark.parametrize("by", ["grey", "saturation"])
def test_a_blank_slide_is_refused(by):
    rng = np.random.default_rng(0)
    blank = picture(255 * np.clip(0.95 + rng.normal(0, 0.005, (128 * 128, 3)), 0, 1), (128, 128))
    with pytest.raises(PrepareError) as told:
        prepare_sample(blank, [build("transforms", {"tissue_mask": {"by": by, "block": 1}})])
    assert told.value.problem.code == "no_tissue"


@pytest.mark.answer("P1.9")
def test_the_mask_marks_the_tissue_and_no_black_border():
    rng = np.random.default_rng(1)
    slide = np.full((100, 90, 3), 240.0)
    slide[30:60, 20:70] = stained(rng, 1500)[0].reshape(30, 50, 3)
    slide[:8] = 4.0
    case = picture(slide, (100, 90))
    for block in (1, 8):
        mask = prepare_sample(case, [build("transforms", {"tissue_mask": {"block": block}})]).masks["tissue"]
        assert mask.is_label and mask.shape == (100, 90) and not mask.has_known_geometry
        inside = mask.array[0] > 0
        assert inside[34:54, 26:62].mean() > 0.9 and not inside[:8].any()
        assert inside.sum() == pytest.approx(1500, rel=0.1 if block == 1 else 0.5)


@pytest.mark.answer("I5.7")
def test_otsu_between_four_values():
    """The darker two are tissue. All are 20 brighter than in the example: what is nearly black is a border."""
    grey = np.repeat([10, 12, 200, 210], [50, 50, 20, 30]).astype(float).reshape(10, 15)
    found = tissue(np.repeat(grey[..., None] + 20, 3, axis=2))
    assert np.array_equal(found.mask, grey <= 12)
    assert found.share == pytest.approx(100 / 150) and 11.5 <= found.threshold * 255 - 20 < 20
    dark, bright = grey[found.mask], grey[~found.mask]
    between = dark.size * bright.size / grey.size**2 * (dark.mean() - bright.mean()) ** 2
    assert between == pytest.approx(8450)


@pytest.mark.answer("I5.7")
def test_every_fourth_pixel_of_the_slide(slide):
    some = slide[::4, ::4]
    assert tissue(some, "grey").share == pytest.approx(0.2737, abs=0.02)
    by_colour = tissue(some, "saturation")
    assert by_colour.share == pytest.approx(0.2782, abs=0.02)
    assert by_colour.threshold * 255 == pytest.approx(63, abs=2.5)
