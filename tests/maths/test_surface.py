"""Surface distances beside MONAI's, and against their definition on masks of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from preceptor.maths.surface import surface, surface_distances


@st.composite
def pairs(draw):
    shape = draw(st.lists(st.integers(1, 7), min_size=2, max_size=3))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    density = draw(st.sampled_from([0.1, 0.5, 0.9]))
    spacing = [draw(st.sampled_from([0.5, 1.0, 3.0])) for _ in shape]
    return generator.random(shape) < density, generator.random(shape) < density, spacing


@given(pairs())
@settings(max_examples=80, deadline=None)
def test_distances_are_those_of_all_pairs_of_surface_voxels(case):
    truth, answer, spacing = case
    edges = [each & ~ndimage.binary_erosion(each) for each in (truth, answer)]
    assert all((surface(each) == edge).all() for each, edge in zip((truth, answer), edges, strict=True))
    found = surface_distances(truth, answer, spacing)
    if not truth.any() or not answer.any():
        assert found is None
        return
    gaps = cdist(*(np.argwhere(edge) * spacing for edge in edges))
    assert np.sort(found.forth) == pytest.approx(np.sort(gaps.min(1)))
    assert np.sort(found.back) == pytest.approx(np.sort(gaps.min(0)))
    back = surface_distances(answer, truth, spacing)
    assert back.hausdorff == pytest.approx(found.hausdorff) and back.average() == pytest.approx(found.average())


def test_equal_masks_are_at_no_distance():
    mask = np.random.default_rng(0).random((5, 6, 7)) < 0.4
    found = surface_distances(mask, mask, (1, 1, 1))
    assert (found.hausdorff, found.percentile(), found.average(), found.within(1e-9)) == (0, 0, 0, 1)


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 4), bool), (1, 1))
    with pytest.raises(ValueError, match="spacings"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 3), bool), (1, 1, 1))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 3.0)])
def test_values_are_those_of_monai(shared_data, spacing):
    """Real hippocampi against themselves with the surface moved by smooth noise of a voxel."""
    import nibabel
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    generator = np.random.default_rng(0)
    for path in sorted((shared_data("hippocampus_msd_task04") / "labels").glob("*.nii.gz"))[:4]:
        truth = np.asarray(nibabel.load(path).dataobj) > 0
        depth = ndimage.distance_transform_edt(truth) - ndimage.distance_transform_edt(~truth)
        noise = ndimage.gaussian_filter(generator.normal(size=truth.shape), 2)
        answer = depth + noise / noise.std() > 0
        found = surface_distances(truth, answer, spacing)
        theirs = {"y_pred": torch.tensor(answer[None, None]).float(), "y": torch.tensor(truth[None, None]).float()}
        theirs |= {"include_background": True, "spacing": spacing}
        expected = (
            compute_hausdorff_distance(**theirs),
            compute_hausdorff_distance(**theirs, percentile=95),
            compute_average_surface_distance(**theirs, symmetric=True),
            compute_surface_dice(**theirs, class_thresholds=[1.0]),
        )
        ours = (found.hausdorff, found.percentile(95), found.average(), found.within(1.0))
        assert ours == pytest.approx([float(each) for each in expected], abs=1e-4)
