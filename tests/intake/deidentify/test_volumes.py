"""NIfTI without its words, in both versions and either byte order: every byte that is no number of the image is nothing."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.deidentify.nifti import clean_nifti

#: First byte and length of what may tell of a person: the fields of nifti1.h and nifti2.h that hold text or are unused.
FIELDS = {
    348: ((4, 10), (14, 18), (32, 4), (36, 2), (148, 80), (228, 24), (328, 16)),
    540: ((240, 80), (320, 24), (508, 16), (525, 15)),
}


def volume(kind, order="<"):
    values = np.arange(24, dtype=f"{order}i2").reshape(2, 3, 4)
    made = kind(values, np.diag([-2.0, 2.0, 3.0, 1.0]), kind.header_class(endianness=order))
    made.set_data_dtype(np.int16)
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Quillfeather" * 9))
    data = bytearray(made.to_bytes())
    size = int(made.header["sizeof_hdr"])
    for start, length in FIELDS[size]:
        data[start : start + length] = b"Quillfeather of Larkspur Crescent".ljust(80, b"x")[:length]
    return bytes(data) + b"Larkspur", made, size


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_no_word_stays_and_every_voxel_lies_where_it_lay(kind, order):
    data, before, size = volume(kind, order)
    made = clean_nifti(data, "place")
    assert all(made.content[start : start + length] == bytes(length) for start, length in FIELDS[size])
    assert b"Quill" not in made.content and b"Lark" not in made.content and made.counts["removed"] == 2
    after = kind.from_bytes(made.content)
    assert np.array_equal(after.dataobj, before.dataobj) and np.array_equal(after.affine, before.affine)
    assert after.get_data_dtype() == before.get_data_dtype() and len(made.content) == size + 4 + 48


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_volume_that_is_cut_short_is_refused(kind):
    data, _, _ = volume(kind)
    for cut in (data[: -len(b"Larkspur") - 1], data[:400], data[:20]):
        with pytest.raises(PrepareError) as refused:
            clean_nifti(cut, "place")
        assert refused.value.problem.code == "nifti_damaged"
