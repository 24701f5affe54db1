"""Which voxels a geometry covers: those whose middle it holds, to the half pixel."""

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.intake.annotations.painting import as_mask
from preceptor.intake.annotations.record import Annotation, Annotations, from_table

SIZE = (5, 4)


def covered(kind, geometry):
    return np.argwhere(as_mask(Annotation("a", "b", kind, geometry), SIZE)).tolist()


@pytest.mark.parametrize(
    ("place", "voxels"),
    [([2.4, 1.0], [[2, 1]]), ([2.6, 1.0], [[3, 1]]), ([-0.4, -0.4], [[0, 0]]), ([-0.6, 1.0], []), ([4.6, 1.0], [])],
)
def test_a_point_is_the_voxel_it_lies_in(place, voxels):
    assert covered("point", place) == voxels


def test_a_box_is_the_voxels_whose_middles_it_holds():
    assert covered("box", [[0.6, 0.5], [2.4, 2.5]]) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert covered("box", [[-9.0, 2.5], [0.5, 99.0]]) == [[0, 3]]
    assert len(covered("none", None)) == 20


def test_a_box_from_high_to_low_is_refused():
    table = Annotations((Annotation("a", "b", "box", [[3.5, 0.5], [1.5, 2.5]]),)).table()
    with pytest.raises(CohortError) as refused:
        from_table(table)
    assert refused.value.problem.code == "annotation_geometry"
