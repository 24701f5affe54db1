"""CAMELYON16 and 17, PROSTATEx, EchoNet-Dynamic and ADNI as BIDS, made in small in the layouts they are published in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK

from preceptor.core.errors import CohortError
from preceptor.core.slots import build
from preceptor.intake.annotations.files import read_annotations
from preceptor.intake.annotations.painting import as_mask
from preceptor.intake.annotations.tiles import TilePainter
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.datasets.echonet_dynamic import EchonetDynamic
from preceptor.intake.published import write_tree
from preceptor.intake.read import read_image
from preceptor.intake.split import leave_one_out, split
from preceptor.intake.synthesis.phantom_dicom import write_mr_series

TISSUE = np.full((8, 8), 200, np.uint8)
SCAN = np.arange(64, dtype=np.int16).reshape(4, 4, 4)


def cohort_of(name, root, **settings):
    return build_cohort(build("datasets", {name: {"keep_names": True, **settings}}, root=root))


def outlined(group):
    places = "".join(
        f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate([(1, 1), (5, 1), (5, 4), (1, 4)])
    )
    shape = (
        f'<Annotation Name="A" Type="Polygon" PartOfGroup="{group}"><Coordinates>{places}</Coordinates></Annotation>'
    )
    return f"<ASAP_Annotations><Annotations>{shape}</Annotations></ASAP_Annotations>"


CHALLENGE = (
    "training/normal/normal_101",
    "training/tumor/tumor_070",
    "training/tumor/tumor_110",
    "testing/images/test_001",
)
ARCHIVE = ("images/normal_101", "images/tumor_070", "images/tumor_110", "images/test_001")


@pytest.mark.parametrize(
    ("names", "annotations", "reference", "heading"),
    [
        (CHALLENGE, "training/lesion_annotations", "testing/reference.csv", ""),
        (ARCHIVE, "annotations", "reference.csv", "image,class,type,size\n"),
    ],
)
def test_camelyon16(names, annotations, reference, heading, tmp_path):
    write_tree(tmp_path, {f"{name}.tif": TISSUE for name in names} | {f"{names[3].replace('001', '049')}.tif": TISSUE})
    write_tree(
        tmp_path, {f"{annotations}/tumor_070.xml": outlined("_0"), reference: f"{heading}test_001,Tumor,IDC,Macro\n"}
    )
    write_tree(tmp_path, {"masks/tumor_070_mask.tif": TISSUE})
    cohort = cohort_of("camelyon16", tmp_path)
    assert [(case.key, case.labels["metastasis"], case.role, case.fields.get("site")) for case in cohort] == [
        ("normal_101", 0, "train", "utrecht"),
        ("test_001", 1, "test", None),
        ("tumor_070", 1, "train", "radboud"),
        ("tumor_110", 1, "train", "utrecht"),
    ]
    assert [case.fields.get("outlined") for case in cohort] == [None, None, None, "partly"]
    assert cohort.exclusions == (("repeats another slide (test_049)", 1),)
    assert not cohort.knows_patients
    found = read_annotations(cohort.root / cohort["tumor_070"].fields["annotation"])
    assert TilePainter(found, {"tumour": 1}).paint((0, 0), (8, 8)).sum() == 12


def test_what_camelyon16_says_of_test_slides_is_a_word_it_knows(tmp_path):
    write_tree(tmp_path, {"images/test_001.tif": TISSUE, "images/test_002.tif": TISSUE})
    assert [case.labels["metastasis"] for case in cohort_of("camelyon16", tmp_path)] == [None, None]
    (tmp_path / "reference.csv").write_text("test_001,Tumour\n")
    with pytest.raises(CohortError):
        cohort_of("camelyon16", tmp_path)


def test_camelyon17(tmp_path):
    rows = [
        "patient_004.zip,pN0(i+)",
        "patient_004_node_0.tif,itc",
        "patient_004_node_1.tif,negative",
        "patient_099.zip,pN2",
        "patient_099_node_4.tif,macro",
        "patient_099_node_3.tif,micro",
    ]
    places = ("training/center_0/patient_004/patient_004_node_0", "training/center_0/patient_004/patient_004_node_1")
    write_tree(tmp_path, {f"{place}.tif": TISSUE for place in (*places, "images/patient_099_node_4")})
    write_tree(tmp_path, {"images/patient_150_node_0.tif": TISSUE, "images/patient_045_node_2.tif": TISSUE})
    write_tree(tmp_path, {"stages.csv": "\n".join(["patient,stage", *rows])})
    write_tree(tmp_path, {"annotations/patient_099_node_4.xml": outlined("metastases")})
    cohort = cohort_of("camelyon17", tmp_path)
    assert [(case.patient, case.labels["stage"], case.labels["metastasis"], case.role) for case in cohort] == [
        ("patient_004", "itc", 1, "train"),
        ("patient_004", "negative", 0, "train"),
        ("patient_045", None, None, "train"),
        ("patient_099", "macro", 1, "train"),
        ("patient_150", None, None, "test"),
    ]
    assert [case.fields.get("site") for case in cohort] == ["centre_0", "centre_0", "centre_2", "centre_4", None]
    assert [case.fields.get("patient_stage") for case in cohort] == ["pN0(i+)", "pN0(i+)", None, "pN2", None]
    assert cohort.exclusions == (("the image file is absent", 1),)
    assert read_annotations(cohort.root / cohort["patient_099_node_4"].fields["annotation"]).labels == ("tumour",)


def test_the_centre_of_camelyon17_is_a_site_to_split_by(tmp_path):
    slides = {f"images/patient_{n:03}_node_{node}.tif": TISSUE for n in (1, 21, 41, 61, 81) for node in (0, 1)}
    rows = [f"patient_{n:03}_node_{node}.tif,negative,{n // 20}" for n in (1, 21, 41, 61, 81) for node in (0, 1)]
    write_tree(tmp_path, {**slides, "stages.csv": "\n".join(["patient,stage,center", *rows])})
    cohort = cohort_of("camelyon17", tmp_path)
    held_out = leave_one_out(cohort, "site")
    assert sorted(site for site, _ in held_out) == [f"centre_{n}" for n in range(5)]
    assert all({case.fields["site"] for case in fold.with_role("test")} == {site} for site, fold in held_out)
    (tmp_path / "stages.csv").write_text("patient,stage\npatient_001_node_0.tif,huge\n")
    with pytest.raises(CohortError):
        cohort_of("camelyon17", tmp_path)


def prostatex(tmp_path):
    """Two patients: the first with the axial T2 taken twice, a diffusion map and Ktrans; of the second the T2 alone."""
    head = "ProxID,fid,pos,zone,ClinSig"
    rows = [
        "ProstateX-0000,1,-1 -1 2,PZ,TRUE",
        "ProstateX-0000,2,0.5 -2 4,AS,FALSE",
        "ProstateX-0003,1,-2 -3 0,TZ,FALSE",
    ]
    listed = "ProxID,Name,fid,pos,WorldMatrix,ijk,TopLevel,SpacingBetweenSlices,VoxelSpacing,Dim,DCMSerDescr,DCMSerNum"
    one = "ProstateX-0000,tra,1,-1 -1 2,{},2 3 1,LEVEL0,2,1x1x2,4x5x3x1,t2_tse_tra,1"
    write_tree(
        tmp_path / "ProstateX-TrainingLesionInformationv2",
        {
            "ProstateX-Findings-Train.csv": "\n".join([head, *rows]),
            "ProstateX-Images-Train.csv": "\n".join([listed, one]),
        },
    )
    write_tree(
        tmp_path / "ProstateX-TestLesionInformation",
        {"ProstateX-Findings-Test.csv": "ProxID,fid,pos,zone\nProstateX-0204,1,-1 -1 2,SV\n"},
    )
    for patient, places in {
        "ProstateX-0000": (
            ("4.0-t2tsetra", "t2_tse_tra"),
            ("7.0-adc", "ep2d_diff_tra_DYNDIST_ADC"),
            ("3.0-t2tsesag", "t2_tse_sag"),
        ),
        "ProstateX-0003": (("4.0-t2tsetra", "t2_tse_tra"), ("6.0-bval", "ep2d_diff_tra_DYNDISTCALC_BVAL")),
        "ProstateX-0204": (("1", "t2_tse_tra"),),
    }.items():
        for folder, told in places:
            place = tmp_path / "PROSTATEx" / patient / "10-21-2011-MR-96813" / folder
            place.mkdir(parents=True)
            about = {"patient": patient, "study": "1", "series": told, "site": "none", "sex": "M", "age": 60}
            write_mr_series(place, np.arange(60, dtype=np.uint16).reshape(4, 5, 3), np.diag([1.0, 1, 2, 1]), about)
    maps = tmp_path / "ProstateXKtrains-train-fixed" / "ProstateX-0003"
    maps.mkdir(parents=True)
    ktrans = SimpleITK.GetImageFromArray(np.arange(60, dtype=np.float32).reshape(3, 5, 4))
    ktrans.SetSpacing((1.5, 1.5, 4.0))
    SimpleITK.WriteImage(ktrans, str(maps / "ProstateX-0003-Ktrans.mhd"), True)
    return tmp_path


def test_prostatex(tmp_path):
    cohort = cohort_of("prostatex", prostatex(tmp_path))
    assert [(case.key, case.patient, case.labels["significant"], case.role) for case in cohort] == [
        ("ProstateX-0000-1", "ProstateX-0000", 1, "train"),
        ("ProstateX-0000-2", "ProstateX-0000", 0, "train"),
        ("ProstateX-0003-1", "ProstateX-0003", 0, "train"),
        ("ProstateX-0204-1", "ProstateX-0204", None, "test"),
    ]
    assert [list(case.images) for case in cohort] == [["t2", "adc"]] * 2 + [["t2", "high_b", "ktrans"], ["t2"]]
    opened = open_case(cohort.root, cohort["ProstateX-0003-1"])
    assert opened.images["ktrans"].array[0, 3, 4, 2] == 59 and opened.images["ktrans"].spacing_mm == (1.5, 1.5, 4.0)
    assert [case.fields["zone"] for case in cohort] == [
        "peripheral",
        "anterior_stroma",
        "transition",
        "seminal_vesicle",
    ]
    case = cohort["ProstateX-0000-2"]
    image = read_image(cohort.root, case.images["t2"])
    left, back, up, _ = image.affine_mm @ [*case.points["finding"][0], 1.0] * [-1, -1, 1, 1]
    assert (left, back, up) == pytest.approx((0.5, -2, 4), abs=1e-3)
    assert case.points["finding"] == [[3.5, 2.0, 2.0]]
    people = cohort_of("prostatex", tmp_path, unit="patient", views=["adc", "t2"])
    assert [list(case.points) for case in people] == [["significant", "insignificant"], ["insignificant"], ["unjudged"]]
    assert [case.labels["significant"] for case in people] == [1, 0, None]
    assert list(people["ProstateX-0000"].images) == ["adc", "t2"]


def test_of_series_taken_twice_the_listed_one_is_used(tmp_path):
    import pydicom

    root = prostatex(tmp_path)
    again = root / "PROSTATEx/ProstateX-0000/10-21-2011-MR-96813/9.0-t2tsetra"
    again.mkdir()
    for path in (again.parent / "4.0-t2tsetra").iterdir():
        data = pydicom.dcmread(path)
        data.SeriesNumber = 9
        data.save_as(again / path.name)
    cohort = cohort_of("prostatex", root)
    assert "4.0-t2tsetra" in cohort["ProstateX-0000-1"].images["t2"]
    assert cohort.notes == ("series that were taken again are left out: 1 of t2",)
    (root / "ProstateX-TrainingLesionInformationv2/ProstateX-Images-Train.csv").unlink()
    assert "9.0-t2tsetra" in cohort_of("prostatex", root)["ProstateX-0000-1"].images["t2"]


@pytest.mark.parametrize("row", ["ProstateX-0000,1,-1 -1,PZ,TRUE", "ProstateX-0000,1,-1 -1 2,XX,TRUE"])
def test_a_finding_without_a_place_or_zone_is_refused(row, tmp_path):
    root = prostatex(tmp_path)
    table = root / "ProstateX-TrainingLesionInformationv2/ProstateX-Findings-Train.csv"
    table.write_text(f"ProxID,fid,pos,zone,ClinSig\n{row}\n")
    with pytest.raises(CohortError):
        cohort_of("prostatex", root)
    for path in root.rglob("ProstateX-Findings-*.csv"):
        path.unlink()
    with pytest.raises(CohortError) as caught:
        cohort_of("prostatex", root)
    assert caught.value.problem.code == "data_absent"


def chords(name, frame, left, right, top, bottom):
    """A long axis, then chords from one side to the other."""
    middle = (left + right) / 2
    lines = [f"{name}.avi,{middle},{top},{middle},{bottom},{frame}"]
    return lines + [f"{name}.avi,{left},{y},{right},{y},{frame}" for y in np.linspace(top, bottom, 20)]


def test_echonet_dynamic(tmp_path):
    pytest.importorskip("av")
    small = EchonetDynamic.example()
    film = next(small.cohort_root.rglob("*.avi")).read_bytes()
    (tmp_path / "Videos").mkdir()
    for name in ("0X1", "0X2"):
        (tmp_path / "Videos" / f"{name}.avi").write_bytes(film)
    head = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
    rows = [
        f"{name},60.1,20.5,51.4,16,16,50,4,{part}" for name, part in (("0X1", "TRAIN"), ("0X2", "VAL"), ("0X3", "TEST"))
    ]
    traced = chords("0X1", 1, 4, 10, 2, 12) + chords("0X1", 3, 5, 9, 3, 11)
    write_tree(
        tmp_path,
        {
            "FileList.csv": "\n".join([head, *rows]),
            "VolumeTracings.csv": "\n".join(["FileName,X1,Y1,X2,Y2,Frame", *traced]),
        },
    )
    cohort = cohort_of("echonet_dynamic", tmp_path)
    assert [(case.key, case.role, case.labels) for case in cohort] == [
        ("0X1", "train", {"ef": 60.1, "esv": 20.5, "edv": 51.4}),
        ("0X2", "tune", {"ef": 60.1, "esv": 20.5, "edv": 51.4}),
    ]
    assert cohort["0X1"].fields == {"frame_rate_hz": 50, "end_diastole_frame": 1, "end_systole_frame": 3}
    assert cohort.exclusions == (("the image file is absent", 1),)
    clip = open_case(cohort.root, cohort["0X1"]).images["video"]
    assert clip.array.shape == (1, 4, 16, 16) and clip.meta["frame_times_s"][1] == pytest.approx(0.02)
    found = read_annotations(tmp_path / "VolumeTracings.csv")
    larger, smaller = sorted(found.rows, key=lambda row: row.label)
    assert [as_mask(row, (16, 16)).sum() for row in (larger, smaller)] == [6 * 10, 4 * 8]
    assert (larger.label, larger.frame) == ("left_ventricle_diastole", 1)
    (tmp_path / "VolumeTracings.csv").write_text("FileName,X1,Y1,X2,Y2,Frame\n0X1.avi,1,2,3,4,1\n0X1.avi,1,2,3,4,1\n")
    with pytest.raises(CohortError):
        cohort_of("echonet_dynamic", tmp_path)


def test_adni_as_bids(tmp_path):
    """Sessions as months since the first visit, diagnoses in participants.tsv, PET beside the anatomy."""
    people = "participant_id\tsex\tage\tdiagnosis\tapoe4\nsub-ADNI002S0295\tM\t84.8\tCN\t1\nsub-ADNI002S0413\tF\t76.3\tAD\tn/a\n"
    images = {}
    for subject, sessions in {"sub-ADNI002S0295": ("M000", "M012"), "sub-ADNI002S0413": ("M000",)}.items():
        for session in sessions:
            name = f"{subject}/ses-{session}"
            images[f"{name}/anat/{subject}_ses-{session}_T1w.nii.gz"] = SCAN
            images[f"{name}/pet/{subject}_ses-{session}_trc-18FFDG_rec-coregiso_pet.nii.gz"] = SCAN
    about = {
        "dataset_description.json": json.dumps({"Name": "ADNI", "BIDSVersion": "1.7.0"}),
        "participants.tsv": people,
    }
    sessions = {
        "sub-ADNI002S0295/sub-ADNI002S0295_sessions.tsv": "session_id\tdiagnosis\tMMSE\nses-M000\tCN\t28\nses-M012\tMCI\t26\n"
    }
    write_tree(tmp_path, {**images, **about, **sessions})
    cohort = cohort_of("bids", tmp_path, views={"t1": "T1w"}, labels=["diagnosis"])
    assert [(case.key, case.patient, case.fields["session"]) for case in cohort] == [
        ("sub-ADNI002S0295_ses-M000", "sub-ADNI002S0295", "M000"),
        ("sub-ADNI002S0295_ses-M012", "sub-ADNI002S0295", "M012"),
        ("sub-ADNI002S0413_ses-M000", "sub-ADNI002S0413", "M000"),
    ]
    assert [list(case.images) for case in cohort] == [["t1"]] * 3
    assert [case.labels["diagnosis"] for case in cohort] == ["CN", "MCI", "AD"]
    assert cohort["sub-ADNI002S0295_ses-M012"].fields["MMSE"] == 26
    assert cohort["sub-ADNI002S0413_ses-M000"].fields["apoe4"] is None
    pet = cohort_of("bids", tmp_path, views={"fdg": "pet"}, datatype="pet")
    assert [list(case.images) for case in pet] == [["fdg"]] * 3
    assert open_case(pet.root, pet.cases[0]).images["fdg"].array.shape == (1, 4, 4, 4)
    dealt = split(cohort, {"by": "patient", "train": 0.5, "test": 0.5}, seed=1)
    assert len({(case.patient, case.role) for case in dealt}) == 2
