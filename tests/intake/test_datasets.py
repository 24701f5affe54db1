"""Data sets: which cases, views, masks, patients and labels come of a folder, a table, or a published layout."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from preceptor.core.errors import CohortError
from preceptor.core.slots import build, plugin
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort, detect_layout
from preceptor.intake.naming import case_key, matched

OURS = ("folder", "table", "decathlon", "nnunet_raw", "bids", "medmnist")


def picture(folder: Path, *names: str, value: int = 7) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.full((4, 4), value, np.uint8)).save(folder / name)


def cohort_of(name, root, **parameters):
    return build_cohort(build("datasets", {name: parameters}, root=root))


@pytest.mark.parametrize("name", OURS)
def test_examples_can_be_read(name):
    dataset = plugin("datasets", name).example()
    cohort = build_cohort(dataset)
    for case in cohort:
        sample = open_case(cohort.root, case)
        assert set(sample.images) == set(case.images) and set(sample.masks) == set(case.masks)
    assert build_cohort(dataset) == cohort  # asking again changes nothing


@pytest.mark.parametrize("name", OURS)
def test_absent_data_says_so_by_one_code(name, tmp_path):
    given = {"folder": "gone"} if name in ("folder", "nnunet_raw", "bids") else {"file": "gone/a.csv"}
    with pytest.raises(CohortError) as caught:
        cohort_of(name, tmp_path, **given)
    assert caught.value.problem.code == "data_absent"


# ------------------------------------------------------------ keys, patterns


def test_keys_show_no_name_unless_they_may():
    assert re.fullmatch("case-[0-9a-f]{8}", case_key("Meier_Anna_1980"))
    assert case_key("a") != case_key("b")
    assert case_key("a/b c?.d", keep_names=True) == "a-b-c-.d"


def test_patterns_say_what_belongs_together(tmp_path):
    picture(tmp_path, "a/t1.png", "a/t2.png", "b/t1.png", ".hidden/t1.png", "c/deep/t1.png", "scan[1]/t1.png")
    assert dict(matched(tmp_path, "*/t1.png")) == {"a": "a/t1.png", "b": "b/t1.png", "scan[1]": "scan[1]/t1.png"}
    assert [identity for identity, _ in matched(tmp_path, "**/t1.png")] == ["a", "b", "c/deep", "scan[1]"]
    assert dict(matched(tmp_path, "a/t?.png")) == {"1": "a/t1.png", "2": "a/t2.png"}
    assert dict(matched(tmp_path, "a/t[12].png")) == {"1": "a/t1.png", "2": "a/t2.png"}
    for outside in ("../*.png", "/etc/*", "a/../../*"):
        with pytest.raises(CohortError, match="leads out"):
            list(matched(tmp_path, outside))


# ------------------------------------------------------------ folder


def test_a_folder_of_views_and_masks(tmp_path):
    picture(
        tmp_path, "sick/p1_s1/t1.png", "sick/p1_s1/t2.png", "well/p2_s1/t1.png", "masks/sick/p1_s1.png", "masks/x/y.png"
    )
    cohort = cohort_of(
        "folder",
        tmp_path,
        image={"t1": "*/*/t1.png", "t2": "*/*/t2.png"},
        label="masks/*/*.png",
        patient=r"/(p\d+)_",
        fields={"group": "^([^/]+)/"},
        keep_names=True,
    )
    assert [case.key for case in cohort] == ["sick-p1_s1", "well-p2_s1"]
    first, second = cohort
    assert first.images == {"t1": "sick/p1_s1/t1.png", "t2": "sick/p1_s1/t2.png"}
    assert first.masks == {"label": "masks/sick/p1_s1.png"} and first.patient == "p1"
    assert second.images == {"t1": "well/p2_s1/t1.png"} and second.masks == {} and second.fields == {"group": "well"}
    assert cohort.notes == ("label: 1 images have none", "label: 1 have no image and are not used")
    assert cohort.knows_patients


def test_a_folder_of_classes(tmp_path):
    picture(tmp_path, "sick/a.png", "sick/b.png", "well/c.png")
    cohort = cohort_of("folder", tmp_path, image="*/*.png", class_from="folder")
    assert Counter(case.labels["label"] for case in cohort) == {"sick": 2, "well": 1}
    assert not cohort.knows_patients and all(case.key.startswith("case-") for case in cohort)


def test_a_folder_of_series(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "CT").mkdir(parents=True)
    cohort = cohort_of("folder", tmp_path, image="*/CT")
    assert [case.images["image"] for case in cohort] == ["one/CT", "two/CT"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image": "*.png", "label": "labels/*.tif"}, "none of 0 label maps"),
        ({"image": "*.png", "patient": r"(p)(\d)"}, "2 groups"),
        ({"image": "*.png", "patient": r"q(\d)"}, "finds nothing"),
        ({"image": "*.png", "patient": r"("}, "not a regular expression"),
        ({"image": "*.jpg"}, "holds no case"),
    ],
)
def test_folders_that_do_not_fit_are_refused(parameters, message, tmp_path):
    picture(tmp_path, "p1.png", "p2.png")
    with pytest.raises(CohortError, match=message) as caught:
        cohort_of("folder", tmp_path, **parameters)
    assert "p1" not in str(caught.value)


# ------------------------------------------------------------ table


def table(folder: Path, text: str, *names: str) -> None:
    (folder / "cases.csv").write_text(text)
    picture(folder, *names)


STUDIES = """patient,day,view,file,finding,age,site
007,1,PA,a.png,sick,50,north
007,1,L,b.png,todo,50,north
007,1,PA,c.png,sick,50,north
008,,AP,d.png,well,,south
008,,L,gone.png,well,,south
009,2,?,e.png,sick,40,south
010,3,PA,f.png,sick,41,
010,3,L,g.png,well,41,
"""


def studies(tmp_path, **more):
    table(tmp_path, STUDIES, *(f"{name}.png" for name in "abcdefg"))
    return cohort_of(
        "table",
        tmp_path,
        **{
            "file": "cases.csv",
            "image": "file",
            "case": ["patient", "day"],
            "view": "view",
            "views": {"frontal": ["PA", "AP"], "lateral": ["L"]},
            "patient": "patient",
            "labels": ["finding"],
            "unlabelled": ["todo"],
            "fields": {"age": "age", "where": "site"},
            "keep_names": True,
        }
        | more,
    )


def test_a_table_of_studies(tmp_path):
    cohort = studies(tmp_path)
    assert [case.key for case in cohort] == ["007-1", "007-1+2", "008", "010-3"]
    first, again, second, third = cohort
    assert first.images == {"frontal": "a.png", "lateral": "b.png"} and first.patient == "007"
    assert first.labels == {"finding": "sick"} and first.fields == {"age": 50.0, "where": "north"}
    assert again.images == {"frontal": "c.png"} and again.patient == "007"
    assert second.images == {"frontal": "d.png"} and second.fields == {"age": None, "where": "south"}
    assert third.labels == {"finding": None}  # its images disagree
    assert len(cohort.notes) == 1 and "disagree about finding" in cohort.notes[0]
    assert cohort.exclusions == (
        ("the view is unknown or not used (images)", 1),
        ("the image file is absent (images)", 1),
    )


def test_further_images_of_a_view_may_be_left_out(tmp_path):
    cohort = studies(tmp_path, repeats="exclude")
    assert [case.key for case in cohort] == ["007-1", "008", "010-3"]
    assert ("a second image of the same view (images)", 1) in cohort.exclusions


def test_rows_are_kept_and_dropped_by_value_and_counted(tmp_path):
    cohort = studies(tmp_path, keep={"age": [50, 40, 41]}, drop={"site": ["north"]})
    assert [case.key for case in cohort] == ["010-3"]
    assert cohort.exclusions[0] == ("age is none of 50, 40, 41 (images)", 2)
    assert cohort.exclusions[1] == ("site is one of north (images)", 3)


def test_a_table_with_a_row_a_case(tmp_path):
    text = "t1,t2,seg,id,grade\na.png,b.png,c.png,1,3\nd.png,,,2,4\na.png,,,3,\n"
    table(tmp_path, text, "a.png", "b.png", "c.png", "d.png")
    cohort = cohort_of(
        "table", tmp_path, file="cases.csv", image={"t1": "t1", "t2": "t2"}, masks={"tumour": "seg"}, patient="id",
        labels={"g": "grade"}, keep_names=True,
    )  # fmt: skip
    assert [(case.key, sorted(case.images), sorted(case.masks), case.patient) for case in cohort] == [
        ("a", ["t1", "t2"], ["tumour"], "1"),
        ("d", ["t1"], [], "2"),
        ("a+2", ["t1"], [], "3"),  # one picture under two patients is two cases
    ]
    assert [case.labels["g"] for case in cohort] == [3.0, 4.0, None]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image": "picture"}, "no column 'picture'"),
        ({"labels": ["a", "b"]}, "no column 'a', 'b'"),
        ({"fields": {"role": "site"}}, "no field may be called 'role'"),
        ({"case": ["finding"], "keep_names": False}, "two patients"),
    ],
)
def test_tables_that_do_not_fit_are_refused(parameters, message, tmp_path):
    with pytest.raises(CohortError, match=message) as caught:
        studies(tmp_path, **parameters)
    assert "007" not in str(caught.value)


def test_a_table_says_the_roles(tmp_path):
    table(tmp_path, "image,part\na.png,Train\nb.png,val\nc.png,test\n", "a.png", "b.png", "c.png")
    cohort = cohort_of("table", tmp_path, file="cases.csv", role="part")
    assert [case.role for case in cohort] == ["train", "tune", "test"]


@pytest.mark.parametrize("word", ["", "holdout"])
def test_a_table_with_an_unknown_role_is_refused(tmp_path, word):
    table(tmp_path, f"image,part\na.png,train\nb.png,{word}\n", "a.png", "b.png")
    with pytest.raises(CohortError, match="no known role"):
        cohort_of("table", tmp_path, file="cases.csv", role="part")


def test_a_table_may_not_lead_out_of_its_folder(tmp_path):
    inner = tmp_path / "inner"
    picture(tmp_path, "inner/a.png", "b.png")
    for path in ("../b.png", str(tmp_path / "b.png")):
        (inner / "cases.csv").write_text(f"image\na.png\n{path}\n")
        with pytest.raises(CohortError, match="outside its folder"):
            cohort_of("table", inner, file="cases.csv")


def test_parquet_and_tsv_are_tables_too(tmp_path):
    import pandas

    picture(tmp_path, "a.png")
    rows = pandas.DataFrame({"image": ["a.png"], "who": ["007"]})
    rows.to_parquet(tmp_path / "a.parquet")
    rows.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    for name in ("a.parquet", "a.tsv"):
        assert cohort_of("table", tmp_path, file=name, patient="who").cases[0].patient == "007"
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(CohortError, match="not a table"):
        cohort_of("table", tmp_path, file="bad.parquet")


def test_the_chest_x_rays(shared_data):
    """A case is a study (patient and day); counts as the table has them."""
    folder = shared_data("cxr_covid_ieee8023")
    cohort = cohort_of(
        "table",
        folder,
        file="metadata.csv",
        case=["patientid", "offset"],
        view="view",
        views={"frontal": ["PA", "AP", "AP Supine"], "lateral": ["L"]},
        patient="patientid",
        labels=["finding"],
        unlabelled=["todo"],
        fields={"site": "location", "sex": "sex", "age": "age"},
        masks={"lung": "lung_mask"},
    )
    assert sum(len(case.images) for case in cohort) == 224 + 34 == 289 - 31
    assert cohort.exclusions == (("the view is unknown or not used (images)", 31),)
    assert Counter(tuple(case.images) for case in cohort)["frontal", "lateral"] == 29
    assert cohort.knows_patients and len({case.patient for case in cohort}) == 130
    assert {"331a", "331b", "350a"} <= {case.patient for case in cohort}  # identifiers stay text
    assert not cohort.notes
    sample = open_case(cohort.root, next(case for case in cohort if len(case.images) == 2))
    assert set(sample.images) == {"frontal", "lateral"}


# ------------------------------------------------------------ published layouts


def nifti(path: Path, shape=(3, 4, 5)) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(np.ones(shape, np.uint8), np.eye(4)).to_filename(path)


def decathlon(tmp_path, **change):
    for name in ("a", "b"):
        nifti(tmp_path / "imagesTr" / f"{name}.nii.gz", (3, 4, 5, 2))
        nifti(tmp_path / "labelsTr" / f"{name}.nii.gz")
    nifti(tmp_path / "imagesTs" / "c.nii.gz", (3, 4, 5, 2))
    description = {
        "modality": {"0": "FLAIR", "1": "T1w"},
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in ("a", "b", "gone")
        ],
        "test": ["./imagesTs/c.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(description | change))


def test_decathlon(tmp_path):
    decathlon(tmp_path)
    cohort = cohort_of("decathlon", tmp_path, keep_names=True)
    assert [case.key for case in cohort] == ["a", "b"]
    assert cohort.cases[0].images == {"flair": "imagesTr/a.nii.gz::0", "t1w": "imagesTr/a.nii.gz::1"}
    assert cohort.exclusions == (("the image file is absent", 1),)
    sample = open_case(cohort.root, cohort.cases[0])
    assert sample.images["t1w"].array.shape == (1, 3, 4, 5) and sample.masks["label"].is_label
    stacked = cohort_of("decathlon", tmp_path, channels="channels", test=True)
    assert len(stacked) == 3 and stacked.cases[2].masks == {}
    assert open_case(stacked.root, stacked.cases[2]).images["image"].array.shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"training": {}},
        {"training": [{"image": 3}]},
        {"training": [{"image": "../x.nii"}]},
        {"training": [{"image": "/etc/passwd"}]},
    ],
)
def test_decathlon_descriptions_that_do_not_fit_are_refused(change, tmp_path):
    decathlon(tmp_path, **change)
    with pytest.raises(CohortError):
        cohort_of("decathlon", tmp_path)
    (tmp_path / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(CohortError, match="not a JSON object"):
        cohort_of("decathlon", tmp_path)


def test_nnunet_raw(tmp_path):
    for name in ("a_0000", "a_0001", "b_0000", "c_x_0000", "c_x_0001"):
        nifti(tmp_path / "imagesTr" / f"{name}.nii.gz")
    for name in ("a", "c_x"):
        nifti(tmp_path / "labelsTr" / f"{name}.nii.gz")
    nifti(tmp_path / "imagesTs" / "t_0000.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "T2 FS"}}))
    cohort = cohort_of("nnunet_raw", tmp_path, keep_names=True)
    assert {case.key: sorted(case.images) for case in cohort} == {
        "a": ["t1", "t2_fs"],
        "b": ["t1"],
        "c_x": ["t1", "t2_fs"],
    }
    assert [bool(case.masks) for case in cohort] == [True, False, True]
    assert cohort.notes == ("imagesTr: 1 channels are not there: missing views",)
    assert len(cohort_of("nnunet_raw", tmp_path, test=True)) == 4
    with pytest.raises(CohortError, match="not nnU-Net raw"):
        cohort_of("nnunet_raw", tmp_path, folder="imagesTr")


def test_bids(tmp_path):
    for name in (
        "sub-01/ses-a/anat/sub-01_ses-a_T1w",
        "sub-01/ses-a/anat/sub-01_ses-a_FLAIR",
        "sub-01/ses-b/anat/sub-01_ses-b_run-1_T1w",
        "sub-01/ses-b/anat/sub-01_ses-b_run-2_T1w",
        "sub-02/anat/sub-02_T1w",
        "derivatives/hand/sub-02/anat/sub-02_desc-lesion_mask",
    ):
        nifti(tmp_path / f"{name}.nii.gz")
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tsex\tsite\tgroup\nsub-01\tF\tA\tsick\nsub-02\tn/a\tB\twell\n"
    )
    cohort = cohort_of(
        "bids", tmp_path, masks={"lesion": "mask"}, labels=["group"], fields=["sex", "site"], keep_names=True
    )
    assert [case.key for case in cohort] == ["sub-01_ses-a", "sub-01_ses-b", "sub-02"]
    assert [case.patient for case in cohort] == ["sub-01", "sub-01", "sub-02"]
    assert sorted(cohort.cases[0].images) == ["flair", "t1w"]
    assert cohort.cases[1].images["t1w"].endswith("run-1_T1w.nii.gz")
    assert cohort.exclusions == (("another run of the same suffix (images)", 1),)
    assert cohort.cases[2].masks == {"lesion": "derivatives/hand/sub-02/anat/sub-02_desc-lesion_mask.nii.gz"}
    assert cohort.cases[2].labels == {"group": "well"} and cohort.cases[2].fields == {"sex": None, "site": "B"}
    assert cohort.cases[0].fields["session"] == "a"
    only = cohort_of("bids", tmp_path, views={"structural": "T1w"}, fields=[])
    assert all(list(case.images) == ["structural"] for case in only)


def test_medmnist(tmp_path, shared_data):
    cohort = cohort_of("medmnist", shared_data("pneumoniamnist"), file="pneumoniamnist.npz")
    assert Counter((case.role, case.labels["label"]) for case in cohort) == {
        ("train", 0): 388,
        ("train", 1): 3494,
        ("tune", 0): 135,
        ("tune", 1): 389,
        ("test", 0): 234,
        ("test", 1): 390,
    }
    stored = np.load(cohort.root / "pneumoniamnist.npz", allow_pickle=False)
    for key in ("train-00005", "test-00623"):
        part, index = key.split("-")
        image = open_case(cohort.root, cohort[key]).images["image"]
        np.testing.assert_array_equal(image.array[0].T, stored[f"{part}_images"][int(index)])
    assert all(case.role is None for case in cohort_of("medmnist", cohort.root, file="pneumoniamnist.npz", roles=False))
    np.savez(tmp_path / "many.npz", train_images=np.zeros((2, 8, 8), np.uint8), train_labels=np.array([[0, 1], [1, 1]]))
    assert cohort_of("medmnist", tmp_path, file="many.npz").cases[0].labels == {"label_0": 0, "label_1": 1}
    named = cohort_of("medmnist", tmp_path, file="many.npz", labels=["a", "b"])
    assert named.cases[1].labels == {"a": 1, "b": 1}
    with pytest.raises(CohortError, match="3 names"):
        cohort_of("medmnist", tmp_path, file="many.npz", labels=["a", "b", "c"])


# ------------------------------------------------------------ layouts recognised


def test_layouts_are_recognised(tmp_path):
    (tmp_path / "msd").mkdir()
    decathlon(tmp_path / "msd")
    nifti(tmp_path / "nnunet/imagesTr/a_0000.nii.gz")
    nifti(tmp_path / "bids/sub-01/anat/sub-01_T1w.nii.gz")
    picture(tmp_path, "pairs/images/a.png", "pairs/labels/a.png", "flat/x/a.png", "flat/b.png")
    table(tmp_path / "flat", "file,patient_id,age\nb.png,1,50\n")
    (tmp_path / "mnist").mkdir()
    np.savez(tmp_path / "mnist/a.npz", train_images=np.zeros((2, 8, 8), np.uint8), train_labels=np.zeros((2, 1), int))
    expected = {
        "msd": ("Decathlon", 2),
        "msd/dataset.json": ("Decathlon", 2),
        "nnunet": ("NnunetRaw", 1),
        "bids": ("Bids", 1),
        "pairs": ("Folder", 1),
        "flat": ("Folder", 2),
        "flat/cases.csv": ("Table", 1),
        "mnist/a.npz": ("Medmnist", 2),
    }
    for name, (kind, number) in expected.items():
        dataset = detect_layout(tmp_path / name)
        assert (type(dataset).__name__, len(build_cohort(dataset))) == (kind, number), name
    made = build_cohort(detect_layout(tmp_path / "flat/cases.csv")).cases[0]
    assert made.patient == "1" and made.fields == {"age": 50}
    assert build_cohort(detect_layout(tmp_path / "pairs")).cases[0].masks == {"label": "labels/a.png"}
    for wrong in ("nowhere", "empty", "flat/notes.txt"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "flat/notes.txt").write_text("x")
        with pytest.raises(CohortError):
            detect_layout(tmp_path / wrong)


def test_real_layouts(shared_data):
    hippocampus = build_cohort(detect_layout(shared_data("hippocampus_msd_task04")))
    assert len(hippocampus) == 178 and all(case.masks for case in hippocampus)
    assert len(build_cohort(detect_layout(shared_data("nuclei_dsb2018")))) == 251
    x_rays = build_cohort(detect_layout(shared_data("cxr_covid_ieee8023") / "metadata.csv"))
    assert len(x_rays) == 289 and x_rays.knows_patients and list(x_rays.cases[0].masks) == ["lung_mask"]
    cohort = cohort_of(
        "folder", shared_data("ms_lesion_mni2mm"), image={n: f"*/{n}.nii.gz" for n in ("T1", "T2", "FLAIR")}
    )
    assert [sorted(case.images) for case in cohort] == [["FLAIR", "T1", "T2"]] * 3
