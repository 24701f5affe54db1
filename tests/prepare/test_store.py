"""The store: prepared once, found again, made anew when anything changed, never half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from preceptor.core.applied import Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.prepared import BOUNDARY, PreparedCase, write_prepared
from preceptor.prepare.store import Store, prepare

from .cases import Structures, volumes

CROSS = ndimage.generate_binary_structure(3, 1)


def steps():
    return [build("transforms", each) for each in ("orient_ras", {"resample": {"spacing_mm": [1.5, 1, 1]}}, "zscore")]


def prepared(cohort, made=None, task=None, **settings) -> Store:
    task = task or Structures()
    return prepare(
        cohort, steps() if made is None else made, task, cohort.root / "prepared", fit_on=cohort.cases, **settings
    )


def files(store: Store) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in store.folder.iterdir()}


def test_what_is_stored_is_what_preparation_gives(tmp_path):
    cohort = volumes(tmp_path)
    store = prepared(cohort)
    assert store.keys == tuple(case.key for case in cohort)
    for case in cohort:
        ours, direct = store.sample(case.key), prepare_sample(open_case(cohort.root, case), steps())
        assert (ours.images["t1"].array == direct.images["t1"].array).all()
        assert ours.images["t1"].array.dtype == np.float32
        assert np.allclose(ours.images["t1"].affine_mm, direct.images["t1"].affine_mm)
        assert ours.masks["label"].array.dtype == np.int8
        assert (ours.masks["label"].array == direct.masks["label"].array).all()
        assert ours.mask_values == {"label": {0: "background", 1: "small", 2: "large"}}
        assert ours.fields == case.fields
        with pytest.raises(ValueError, match="read-only"):
            ours.images["t1"].array[0] = 0


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, bool])
def test_every_kind_of_number_is_kept_and_others_can_read_it(tmp_path, kind):
    from safetensors.numpy import load_file

    array = (np.random.default_rng(0).normal(size=(2, 5, 7)) * 50).astype(kind)
    write_prepared(tmp_path / "a.safetensors", Sample("a", {"view": Image(array, np.eye(4))}), None)
    assert (PreparedCase(tmp_path / "a.safetensors").image("view").array == array).all()
    read = load_file(tmp_path / "a.safetensors")["image:view"]
    assert read.dtype == array.dtype and (read == array).all()


def test_a_header_that_claims_too_much_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    with pytest.raises(PrepareError, match="damaged"):
        PreparedCase(path)


def test_a_large_case_that_is_read_often_is_held_in_memory_within_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("preceptor.prepare.prepared._LARGE", 1)
    cohort = volumes(tmp_path)
    store = prepared(cohort)
    key = store.keys[0]
    before = {name: image.array.copy() for name, image in store.sample(key).images.items()}

    def read_all():
        case = store.prepared(key)
        for _ in range(3):
            case.fetch_ahead(case.grids[0], (0,) * len(case.grids[0].shape), case.grids[0].shape)
        return store.prepared(key)

    store.memory_mb = 0.0
    assert not read_all().is_held, "there is no memory for it"
    store.memory_mb = 1024.0
    assert read_all().is_held
    for name, image in store.sample(key).images.items():
        assert (image.array == before[name]).all()


def test_a_second_call_finds_everything_done(tmp_path):
    cohort = volumes(tmp_path)
    before = files(prepared(cohort))
    told = []
    assert files(prepared(cohort, progress=lambda done, total: told.append((done, total)))) == before
    assert told == []


def test_what_changes_is_prepared_anew_and_nothing_else(tmp_path):
    cohort = volumes(tmp_path)
    before = files(prepared(cohort))
    image = nibabel.load(tmp_path / "image0.nii")
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), tmp_path / "image0.nii")
    after = files(prepared(cohort))
    assert len(set(after) - set(before)) == 1 and set(before) <= set(after)
    assert len(set(files(prepared(cohort, task=Structures(mask="label", classes=("a", "b", "c"))))) - set(after)) == 4
    assert len(files(prepared(cohort, [build("transforms", "zscore")]))) == 4 + 1 + 4 + 4


def test_a_killed_preparation_goes_on_where_it_stopped(tmp_path):
    """What was written aside is not taken for whole, and what was cut short is made again."""
    cohort = volumes(tmp_path)
    store = prepared(cohort)
    before = files(store)
    paths = sorted(store.folder.iterdir())
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(b"")
    (store.folder / f".{paths[0].name}.abc.part").write_bytes(paths[3].read_bytes()[:500])
    told = []
    again = prepared(cohort, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 4), (3, 4), (4, 4)]
    after = files(again)
    assert {name: after[name][1] for name in before} == {name: size for name, (_, size) in before.items()}
    assert after[paths[3].name] == before[paths[3].name]


def test_a_full_disk_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    cohort = volumes(tmp_path)

    def full(path, arrays, facts):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("preceptor.prepare.prepared._write", full)
    with pytest.raises(OSError, match="No space"):
        prepared(cohort)
    assert not list((tmp_path / "prepared").iterdir())


def test_processes_side_by_side_give_the_same(tmp_path):
    cohort = volumes(tmp_path)
    alone = files(prepared(cohort))
    other = prepare(cohort, steps(), Structures(), tmp_path / "other", fit_on=(), workers=2)
    assert {name: size for name, (_, size) in alone.items()} == {name: size for name, (_, size) in files(other).items()}
    for name in alone:
        assert (tmp_path / "prepared" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_names_the_case_and_not_the_file(tmp_path, workers):
    cohort = volumes(tmp_path)
    secret = tmp_path / "Erika_Mustermann.nii"
    secret.write_bytes((tmp_path / "image2.nii").read_bytes()[:400])
    cases = list(cohort)
    cases[2] = replace(cases[2], images={"t1": secret.name})
    with pytest.raises(PrepareError) as met:
        prepared(cohort.with_cases(cases), workers=workers)
    assert "case-2" in str(met.value) and "Mustermann" not in str(met.value)
    cases[2] = replace(cases[2], images={"t1": "Erika_gone.nii"})
    with pytest.raises(PrepareError) as met:
        prepared(cohort.with_cases(cases), workers=workers)
    assert "case-2" in str(met.value) and "Erika" not in str(met.value) and met.value.problem.code == "file_absent"


def test_an_undeclared_label_names_the_case(tmp_path):
    cohort = volumes(tmp_path)
    task = build("tasks", {"segmentation": {"labels": {"small": 1}}})
    with pytest.raises(PrepareError, match="case-0") as met:
        prepared(cohort, task=task)
    assert met.value.problem.code == "label_undeclared"


def test_unlabelled_voxels_are_minus_one(tmp_path):
    cohort = volumes(tmp_path)
    label = nibabel.load(tmp_path / "label1.nii")
    array = np.asarray(label.dataobj).copy()
    array[:3] = 9
    nibabel.save(nibabel.Nifti1Image(array, label.affine), tmp_path / "label1.nii")
    mask = prepared(cohort, []).sample("case-1").masks["label"].array
    assert (mask[0, :3] == -1).all() and (mask[0, 3:] >= 0).all()


def test_the_places_of_a_class_are_kept(tmp_path):
    store = prepared(volumes(tmp_path, ((40, 44, 36),)), [])
    case, mask = store.prepared("case-0"), store.sample("case-0").masks["label"].array[0]
    assert {value: case.strata[value] for value in (1, 2)} == {1: int((mask == 1).sum()), 2: int((mask == 2).sum())}
    for value in (1, 2):
        places = case.centres(value)
        assert len(places) == min((mask == value).sum(), 4096)
        assert (mask[tuple(places.T)] == value).all()
        assert len(np.unique(places, axis=0)) == len(places)


def test_the_places_where_two_classes_meet_are_kept(tmp_path):
    store = prepared(volumes(tmp_path, ((40, 44, 36),)), [])
    case, mask = store.prepared("case-0"), store.sample("case-0").masks["label"].array[0]
    meets = ndimage.maximum_filter(mask, footprint=CROSS) != ndimage.minimum_filter(mask, footprint=CROSS)
    places = case.centres(BOUNDARY)
    assert case.strata[BOUNDARY] == len(places) == meets.sum()
    assert meets[tuple(places.T)].all() and len(np.unique(places, axis=0)) == len(places)


def test_what_is_unlabelled_meets_nothing(tmp_path):
    """Neither the edge of what was labelled nor a case of one class has a boundary."""
    index = np.zeros((1, 6, 6, 6), dtype=np.int8)
    index[:, 3:] = -1
    sample = Sample("a", {}, masks={"label": Image(index, np.eye(4), is_label=True)})
    write_prepared(tmp_path / "a.safetensors", sample, "label")
    assert PreparedCase(tmp_path / "a.safetensors").strata == {}


def test_a_damaged_file_is_refused_when_it_is_opened(tmp_path):
    store = prepared(volumes(tmp_path))
    path = store.folder / store._files["case-0"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PrepareError, match="damaged"):
        store.sample("case-0")


# ---------------------------------------------------------------- fitted steps


class Brightness:
    """Divides by the mean of the training images."""

    def __init__(self, power: float = 1.0, state=None) -> None:
        self.power = power
        self.state = state

    def fit(self, samples):
        seen = list(samples)
        assert all(isinstance(each, Sample) for each in seen)
        return {"mean": np.array([np.mean([each.images["t1"].array.mean() for each in seen])]), "cases": len(seen)}

    def with_state(self, state):
        return Brightness(self.power, state)

    def draw(self, rng, sample):
        mean = float(self.state["mean"][0])
        return Intensity(lambda image: image / mean**self.power)


def test_fitted_steps_see_training_cases_alone_after_the_steps_before_them(tmp_path):
    cohort = volumes(tmp_path)
    window = build("transforms", {"window": {"centre_hu": 100, "width_hu": 400}})
    store = prepare(cohort, [window, Brightness()], Structures(), tmp_path / "prepared", fit_on=cohort.cases[:2])
    means = [
        prepare_sample(open_case(cohort.root, case), [window]).images["t1"].array.mean() for case in cohort.cases[:2]
    ]
    assert store.states[0] is None and store.states[1]["cases"] == 2
    assert float(store.states[1]["mean"][0]) == pytest.approx(np.mean(means), rel=1e-6)
    whole = store.sample("case-3").images["t1"].array
    single = prepare_sample(open_case(cohort.root, cohort.cases[3]), [window]).images["t1"].array
    assert np.allclose(whole, single / np.mean(means), rtol=1e-5)
    assert (prepare_sample(open_case(cohort.root, cohort.cases[3]), store.steps).images["t1"].array == whole).all()


def test_another_fit_is_another_preparation(tmp_path):
    cohort = volumes(tmp_path)
    folder = tmp_path / "prepared"
    one = prepare(cohort, [Brightness()], Structures(), folder, fit_on=cohort.cases[:2])
    two = prepare(cohort, [Brightness()], Structures(), folder, fit_on=cohort.cases[2:])
    again = prepare(cohort, [Brightness()], Structures(), folder, fit_on=cohort.cases[:2])
    assert one._files == again._files and set(one._files.values()).isdisjoint(two._files.values())
    assert float(again.states[0]["mean"][0]) == float(one.states[0]["mean"][0])


def test_a_fitted_step_without_training_cases_is_refused(tmp_path):
    with pytest.raises(PrepareError, match="training cases"):
        prepare(volumes(tmp_path), [Brightness()], Structures(), tmp_path / "prepared", fit_on=())


def test_a_step_of_preparation_may_not_draw(tmp_path):
    class Dice:
        def draw(self, rng, sample):
            return Intensity(lambda image: image * float(rng.random()))

    with pytest.raises(PrepareError) as met:
        prepared(volumes(tmp_path), [Dice()])
    assert met.value.problem.code == "prepare_random"


def test_many_cases_leave_no_file_open(tmp_path):
    cohort = volumes(tmp_path, ((4, 4, 4),) * 6)
    store = prepared(cohort, [])
    store._open.clear()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    import preceptor.prepare.store as module

    module._MOST_OPEN, most = 2, module._MOST_OPEN
    try:
        for case in cohort:
            store.sample(case.key)
        assert len(store._open) == 2
        if before:
            assert len(os.listdir("/proc/self/fd")) <= before + 2
    finally:
        module._MOST_OPEN = most


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.prepare.cases import Structures, volumes
from tests.prepare.test_store import slow_steps
from preceptor.prepare.store import prepare
cohort = volumes(Path({folder!r}), ((40, 44, 36),) * 12)
prepare(cohort, slow_steps(), Structures(), cohort.root / "prepared", fit_on=(), workers=2,
        progress=lambda done, total: print(done, flush=True))
"""


class Slow:
    """Takes its time."""

    def draw(self, rng, sample):
        time.sleep(0.1)
        return Intensity(lambda image: image)


def slow_steps():
    return [Slow()]


def test_processes_side_by_side_killed_half_way_lose_nothing_that_was_done(tmp_path):
    script = _KILLED.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 4:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "prepared").glob("*.safetensors")}
    assert 4 <= len(before) < 12 and all(PreparedCase.is_whole(tmp_path / "prepared" / name) for name in before)
    told = []
    cohort = volumes(tmp_path, ((40, 44, 36),) * 12)
    again = prepare(
        cohort, slow_steps(), Structures(), tmp_path / "prepared", fit_on=(), progress=lambda *at: told.append(at)
    )
    assert told[0] == (len(before) + 1, 12) and told[-1] == (12, 12)
    assert all(
        path.stat().st_mtime_ns == before.get(path.name, path.stat().st_mtime_ns) for path in again.folder.iterdir()
    )
