"""Arrays: members and places, orders and types; never objects, never more than the file holds."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.array import members, read_member
from preceptor.intake.read import read_image


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_image_of_many(save, tmp_path):
    images = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)
    save(tmp_path / "a.npz", images=images, labels=np.arange(5))
    image = read_image(tmp_path, "a.npz::images::3")
    assert image.array.shape == (1, 4, 3)  # x is the column
    np.testing.assert_array_equal(image.array[0].T, images[3])
    assert not image.has_known_geometry
    assert members(tmp_path / "a.npz") == {"images": (5, 3, 4), "labels": (5,)}
    assert read_member(tmp_path / "a.npz", "labels").tolist() == [0, 1, 2, 3, 4]
    image.array[:] = 0  # what is cached stays as it was
    np.testing.assert_array_equal(read_image(tmp_path, "a.npz::images::3").array[0].T, images[3])


def test_a_changed_file_is_read_again(tmp_path):
    for value in (1, 2):
        np.savez(tmp_path / "a.npz", images=np.full((2, 3 + value, 4), value, np.uint8))
        assert read_image(tmp_path, "a.npz::images::0").array.max() == value


@pytest.mark.parametrize(
    "source", ["a.npz::images::5", "a.npz::images::-1", "a.npz::images::x", "a.npz::other::0", "a.npz"]
)
def test_what_is_not_there_is_refused(source, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((5, 3, 4), np.uint8))
    with pytest.raises(PrepareError):
        read_image(tmp_path, source)


def test_plain_arrays(tmp_path):
    for order in ("C", "F"):
        for kind in ("<u2", ">u2", "<f8"):
            array = np.asarray(np.arange(60).reshape(3, 4, 5), dtype=kind, order=order)
            np.save(tmp_path / "a.npy", array)
            volume = read_image(tmp_path, "a.npy")
            assert volume.array.shape == (1, 5, 4, 3) and volume.array.dtype.isnative
            np.testing.assert_array_equal(volume.array[0].transpose(2, 1, 0), array)
            np.testing.assert_array_equal(read_image(tmp_path, "a.npy::1").array[0].T, array[1])
    np.save(tmp_path / "rgb.npy", np.zeros((6, 7, 3), np.uint8))
    assert read_image(tmp_path, "rgb.npy").array.shape == (3, 7, 6)
    np.save(tmp_path / "bits.npy", np.eye(4, dtype=bool))
    assert read_image(tmp_path, "bits.npy", is_label=True).array.dtype == np.uint8
    np.save(tmp_path / "four.npy", np.zeros((2, 2, 2, 2)))
    with pytest.raises(PrepareError, match="4 axes"):
        read_image(tmp_path, "four.npy")


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_objects_are_never_unpacked(tmp_path):
    array = np.array([Trap(str(tmp_path / "sprung"))], dtype=object)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=array)
    for source in ("a.npy", "a.npy::0", "a.npz::images::0"):
        with pytest.raises(PrepareError, match="object"):
            read_image(tmp_path, source)
    assert not (tmp_path / "sprung").exists()


def test_damaged_archives_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "a.npz", images=rng.integers(0, 99, (4, 20, 20), dtype=np.uint8))
    whole = (tmp_path / "a.npz").read_bytes()
    for size in (4, 50, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.npz").write_bytes(whole[:size])
        with pytest.raises(PrepareError):
            read_image(tmp_path, "b.npz::images::0")
    for position in rng.integers(0, len(whole), 300):
        (tmp_path / "c.npz").write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            image = read_image(tmp_path, "c.npz::images::0")
        except PrepareError:
            continue
        assert image.shape == (20, 20)
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
    with pytest.raises(PrepareError):
        read_image(tmp_path, "d.npz::images::0")
