"""The index of thumbnails finds what the plain comparison of all pairs finds, and goes on where it was stopped."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.core.image import Image
from preceptor.intake.copies import thumbnail_index
from preceptor.intake.copies.duplicates import find_pairs, thumbnail
from preceptor.intake.copies.thumbnail_index import ThumbnailIndex

from .test_crops import texture


def image(array):
    return Image(np.ascontiguousarray(array)[None], np.eye(4))


def pictures(number=90):
    """Different pictures, and copies of some: turned, mirrored, inverted, smaller, and in a block of their own."""
    made = {f"p{n:03d}": texture(n, 96) for n in range(number)}
    made["copy"] = texture(3, 96)
    made["turned"] = np.rot90(texture(11, 96))
    made["mirrored"] = texture(20, 96)[:, ::-1]
    made["inverted"] = 255 - texture(35, 96)
    made["small"] = texture(50, 96)[::2, ::2]
    made["blank"] = np.full((96, 96), 7, np.uint8)
    return made


@pytest.fixture(params=[2048, 17])
def block(request, monkeypatch):
    monkeypatch.setattr(thumbnail_index, "_BLOCK", request.param)


def test_it_finds_what_the_plain_comparison_finds(tmp_path, block):
    made = pictures()
    index = ThumbnailIndex(tmp_path)
    for name, array in made.items():
        index.add(name, image(array))
    plain = find_pairs({(name, "image"): thumbnail(image(array)) for name, array in made.items()})
    found = index.pairs()
    assert [(pair.first, pair.second, pair.form) for pair in found] == [
        (pair.first, pair.second, pair.form) for pair in plain
    ]
    assert [pair.second for pair in found] == ["copy", "turned", "mirrored", "inverted", "small"]
    assert max(abs(one.correlation - other.correlation) for one, other in zip(found, plain, strict=True)) < 1e-3


def test_the_bound_is_never_below_the_correlation():
    rng = np.random.default_rng(0)
    stack = np.concatenate([rng.normal(size=(40, 32, 32)), [texture(n, 32) for n in range(40)]]).astype(np.float32)
    coarse = thumbnail_index._coarse(stack, thumbnail_index._waves())
    plain = thumbnail_index.unit_rows(stack)
    assert (coarse @ coarse.T - plain @ plain.T).min() > -1e-5
    assert np.abs(np.diag(coarse @ coarse.T) - 1).max() < 1e-5, "of a picture with itself it is exact"


def test_a_stopped_search_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail_index, "_BLOCK", 16)
    index = ThumbnailIndex(tmp_path)
    for name, array in pictures(40).items():
        index.add(name, image(array))

    def stop(done, total):
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.pairs(progress=stop)
    begun: list[int] = []
    search = thumbnail_index.search

    def told(*arguments, start=0):
        begun.append(start)
        return search(*arguments, start=start)

    monkeypatch.setattr(thumbnail_index, "search", told)
    seen: list[tuple[int, int]] = []
    found = ThumbnailIndex(tmp_path).pairs(progress=lambda done, total: seen.append((done, total)))
    assert begun == [2] and seen == [(46, 46)]
    assert [pair.second for pair in found] == ["copy", "turned", "mirrored", "inverted"]
    assert [pair.second for pair in index.pairs()] == [pair.second for pair in found]


def test_what_a_kill_left_half_written_is_cut_off(tmp_path):
    index = ThumbnailIndex(tmp_path)
    for name in ("a", "b", "c"):
        index.add(name, image(texture(ord(name), 64)))
    (tmp_path / "thumbnails.f16").write_bytes((tmp_path / "thumbnails.f16").read_bytes()[:-100])
    again = ThumbnailIndex(tmp_path)
    assert again.names == ["a", "b"] and "c" not in again and "b" in again
    again.add("c", image(texture(ord("c"), 64)))
    again.add("c", image(texture(5, 64)))
    assert len(ThumbnailIndex(tmp_path)) == 3 and (tmp_path / "thumbnails.f16").stat().st_size == 3 * 2048
    assert again.pairs() == []
    with (tmp_path / "names.jsonl").open("ab") as names:
        names.write(b'"half')
    assert len(ThumbnailIndex(tmp_path)) == 3


def test_volumes_and_foreign_folders_are_refused(tmp_path):
    with pytest.raises(CohortError):
        ThumbnailIndex(tmp_path / "a").add("v", Image(np.zeros((1, 4, 4, 4), np.float32), np.eye(4)))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "names.jsonl").write_text("not json\n")
    (tmp_path / "b" / "thumbnails.f16").write_bytes(bytes(2048))
    with pytest.raises(CohortError):
        ThumbnailIndex(tmp_path / "b")
    assert ThumbnailIndex(tmp_path / "c").pairs() == []
