"""Annotations: run lengths, polygons and boxes as COCO has them, packed bits, what several readers say together."""

import numpy as np
import pytest

from preceptor.maths.bit_packing import pack_bits, unpack_bits
from preceptor.maths.consensus import majority, most_voted, staple
from preceptor.maths.detection import box_iou
from preceptor.maths.polygons import inside_polygon, outlines, polygon_area
from preceptor.maths.run_lengths import from_run_lengths, packed_text, run_lengths, unpacked_counts


def rows(*lines):
    """A mask as it looks, as ``(x, y)``."""
    return np.array([[int(each) for each in line] for line in lines]).T


@pytest.mark.answer("P5.2")
@pytest.mark.parametrize(
    ("mask", "counts", "text"),
    [
        (rows("0010", "0110", "0111", "1000"), [3, 1, 1, 2, 1, 3, 3, 1, 1], "3111012NN"),
        (np.zeros((4, 4), int), [16], "`0"),
        (np.ones((4, 4), int), [0, 16], "0`0"),
        (np.eye(4, dtype=int), [0, 1, 4, 1, 4, 1, 4, 1], "01400000"),
    ],
)
def test_run_lengths_and_their_text(mask, counts, text):
    assert run_lengths(mask) == counts and packed_text(counts) == text
    assert unpacked_counts(text) == counts
    assert np.array_equal(from_run_lengths(counts, mask.shape), mask != 0)


@pytest.mark.answer("I4.4")
def test_run_lengths_go_down_the_columns_of_a_picture_that_is_not_square():
    mask = rows("00000", "01110", "01110", "10000")
    assert mask.shape == (5, 4)
    assert run_lengths(mask) == [3, 1, 1, 2, 2, 2, 2, 2, 5]
    assert mask.sum() == 7


@pytest.mark.answer("P5.2", "I4.4")
def test_a_polygon_holds_the_pixels_whose_middles_it_holds():
    square = np.array([(1, 1), (4, 1), (4, 3), (1, 3)]) - 0.5  # COCO's vertices are edges of pixels
    mask = inside_polygon(square, (6, 6))
    assert mask.sum() == 6 and np.argwhere(mask).tolist() == [[x, y] for x in (1, 2, 3) for y in (1, 2)]
    assert polygon_area(square) == 6
    triangle = np.array([(0, 0), (6, 0), (0, 6)]) - 0.5
    assert inside_polygon(triangle, (6, 6)).sum() == 15 and polygon_area(triangle) == 18


@pytest.mark.answer("P5.2")
def test_boxes_overlap_by_their_edges():
    low, high = np.array([[0.0, 0.0]]), np.array([[10.0, 10.0]])
    edges = box_iou(low, high, np.array([[5.0, 5.0]]), np.array([[15.0, 15.0]]))
    assert edges.item() == pytest.approx(25 / 175)
    # Corners meant as pixels, the last ones included, reach one further: another figure, and never this library's.
    assert box_iou(low, high + 1, np.array([[5.0, 5.0]]), np.array([[16.0, 16.0]])).item() == pytest.approx(36 / 206)


@pytest.mark.answer("P5.2")
def test_polygons_that_share_edges_share_no_pixel_and_leave_none_out():
    corners = np.array([(-0.5, -0.5), (19.5, -0.5), (19.5, 12.5), (-0.5, 12.5)])
    for middle in ((7.0, 5.0), (7.5, 5.5), (3.2, 9.1)):
        parts = [
            inside_polygon(np.array([corners[n], corners[(n + 1) % 4], middle]), (20, 13)).astype(int) for n in range(4)
        ]
        assert (sum(parts) == 1).all()


@pytest.mark.answer("P5.2")
def test_mask_to_outline_to_mask_to_run_lengths_to_mask_is_the_same():
    rng = np.random.default_rng(5)
    for shape in ((1, 1), (3, 8), (17, 11)):
        for share in (0.2, 0.5, 0.9):
            mask = rng.random(shape) < share
            painted = np.zeros(shape, bool)
            for ring in outlines(mask):
                painted ^= inside_polygon(ring, shape)
            assert np.array_equal(painted, mask)
            assert sum(polygon_area(ring) for ring in outlines(mask)) == mask.sum()
            assert np.array_equal(from_run_lengths(unpacked_counts(packed_text(run_lengths(painted))), shape), mask)


@pytest.mark.answer("P5.2")
def test_outlines_lie_on_the_edges_of_pixels_and_touch_at_corners_alone():
    diagonal = outlines(np.eye(2, dtype=int))
    assert [sorted(map(tuple, ring.tolist())) for ring in diagonal] == [
        [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)],
        [(0.5, 0.5), (0.5, 1.5), (1.5, 0.5), (1.5, 1.5)],
    ]
    holes = outlines(rows("11111", "10011", "11011", "11111"))
    assert sorted(polygon_area(ring) for ring in holes) == [-3, 20]


@pytest.mark.answer("P5.2")
@pytest.mark.peer
def test_the_run_lengths_and_areas_of_pycocotools():
    peer = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random((rng.integers(1, 90), rng.integers(1, 70))) < rng.random()
        theirs = peer.encode(np.asfortranarray(mask.T.astype(np.uint8)))
        ours = packed_text(run_lengths(mask))
        assert theirs["counts"].decode() == ours
        assert int(peer.area(theirs)) == mask.sum()
    differing = total = 0
    for _ in range(50):  # its polygons are rounded to a fifth of a pixel, so borders differ here and there
        angles = np.sort(rng.random(9)) * 2 * np.pi
        ring = 60 + rng.uniform(15, 50, (9, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        theirs = peer.decode(peer.frPyObjects([ring.ravel().tolist()], 120, 120))[..., 0].T
        ours = inside_polygon(ring - 0.5, (120, 120))
        differing, total = differing + (theirs != ours).sum(), total + ours.sum()
    assert differing / total < 0.01


@pytest.mark.answer("P5.4")
def test_bits_are_packed_little_end_first_and_frames_follow_without_a_gap():
    assert pack_bits(np.array([[[1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0]]])).hex() == "4d07"
    frames = np.array([[(1, 0, 1), (0, 1, 0), (1, 0, 1)], [(0, 1, 0), (1, 1, 1), (0, 1, 0)]])
    packed = pack_bits(frames)
    assert packed.hex() == "55750100"
    assert np.array_equal(unpack_bits(packed, 2, 3, 3), frames != 0)
    with pytest.raises(ValueError, match="fewer than 36 bits"):
        unpack_bits(packed, 4, 3, 3)


_READERS = np.stack(
    [
        rows("0110", "0110", "0000", "0000"),
        rows("0111", "0110", "0000", "0000"),
        rows("0010", "0110", "0100", "0000"),
    ]
)


@pytest.mark.answer("P5.3")
def test_staple_and_majority_of_three_readers():
    found = staple(_READERS)
    assert found.converged and found.prior == pytest.approx(13 / 48)
    truth = rows("0110", "0110", "0000", "0000")
    assert found.probability == pytest.approx(truth, abs=1e-6)
    assert found.sensitivity == pytest.approx([1, 1, 0.75], abs=1e-6)
    assert found.specificity == pytest.approx([1, 11 / 12, 11 / 12], abs=1e-6)
    assert np.array_equal(majority(_READERS), truth != 0)


@pytest.mark.answer("P5.3")
def test_staple_as_simpleitk_has_it():
    import SimpleITK

    rng = np.random.default_rng(3)
    truth = np.zeros((12, 9, 7), bool)
    truth[3:9, 2:7, 1:5] = True
    votes = np.stack([np.where(rng.random(truth.shape) < error, ~truth, truth) for error in (0.05, 0.15, 0.3, 0.1)])
    images = [SimpleITK.GetImageFromArray(each.astype(np.uint8)) for each in votes]
    peer = SimpleITK.STAPLEImageFilter()
    peer.SetForegroundValue(1)
    theirs = SimpleITK.GetArrayFromImage(peer.Execute(images))
    found = staple(votes)
    assert found.probability == pytest.approx(theirs, abs=1e-4)
    assert found.sensitivity == pytest.approx(peer.GetSensitivity(), abs=1e-5)
    assert found.specificity == pytest.approx(peer.GetSpecificity(), abs=1e-5)


@pytest.mark.answer("P5.3")
def test_ties_are_named_and_two_readers_are_refused():
    votes = np.array([(1, 1, 0, 0), (1, 0, 1, 0)])
    assert majority(votes, "background").tolist() == [True, False, False, False]
    assert majority(votes, "foreground").tolist() == [True, True, True, False]
    with pytest.raises(ValueError, match="2 voxels are marked by exactly half"):
        majority(votes)
    with pytest.raises(ValueError, match="three readers"):
        staple(votes)
    labels = np.array([(1, 2, 2, 0), (1, 2, 1, 0), (2, 2, 0, 1)])
    assert most_voted(labels, tie=255).tolist() == [1, 2, 255, 0]
    assert most_voted(np.array([[1], [1], [2], [2]]), tie=255).tolist() == [255]


@pytest.mark.answer("P5.3")
def test_readers_who_marked_nothing_agree_on_nothing():
    found = staple(np.zeros((3, 5)))
    assert not found.probability.any() and np.isnan(found.sensitivity).all() and (found.specificity == 1).all()
