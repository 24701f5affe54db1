"""Published layouts, made in small: which cases, views, patients, labels and parts come of them."""

from __future__ import annotations

import gzip
from collections import Counter

import numpy as np
import pytest

from preceptor.core.errors import CohortError
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.published import OBSERVATIONS, finding, write_tree

PICTURE = np.arange(64, dtype=np.uint8).reshape(8, 8)
SCAN = np.arange(64, dtype=np.int16).reshape(4, 4, 4)


def cohort_of(name, root, **settings):
    return build_cohort(build("datasets", {name: {"keep_names": True, **settings}}, root=root))


@pytest.mark.parametrize(
    ("value", "policy", "blank", "meant"),
    [
        (1.0, "keep", "unlabelled", "present"),
        (-1.0, "keep", "unlabelled", "uncertain"),
        (None, "keep", "negative", "absent"),
        (-1.0, "positive", "unlabelled", 1),
        ("-1.0", "negative", "unlabelled", 0),
        (-1.0, "unlabelled", "negative", None),
        (None, "positive", "unlabelled", None),
        (None, "positive", "negative", 0),
        (0.0, "positive", "unlabelled", 0),
    ],
)
def test_what_becomes_of_uncertain_findings(value, policy, blank, meant):
    assert finding(value, policy, blank) == meant


def test_a_finding_that_is_none_of_these_is_refused():
    for value in (2, "yes", "nan"):
        with pytest.raises(CohortError):
            finding(value, "keep", "unlabelled")


def chexpert_row(path, **found):
    return f"{path},Female,68,{'Frontal' if 'frontal' in path else 'Lateral'},AP," + ",".join(
        str(found.get(name.split()[0], "")) for name in OBSERVATIONS
    )


def test_chexpert(tmp_path):
    head = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS])
    paths = ["train/patient00001/study1/view1_frontal.jpg", "train/patient00001/study2/view1_lateral.jpg"]
    gone, valid = "train/patient00002/study1/view1_frontal.jpg", "valid/patient64541/study1/view1_frontal.jpg"
    rows = [chexpert_row(f"CheXpert-v1.0/{path}", Edema=-1.0, Pneumonia=1.0) for path in [*paths, gone]]
    write_tree(tmp_path, dict.fromkeys([*paths, valid], PICTURE))
    write_tree(
        tmp_path,
        {
            "train.csv": "\n".join([head, *rows]),
            "valid.csv": "\n".join([head, chexpert_row(f"CheXpert-v1.0/{valid}", Edema=0.0)]),
        },
    )
    cohort = cohort_of("chexpert", tmp_path)
    assert [(case.patient, case.role, *case.images) for case in cohort] == [
        ("patient00001", "train", "frontal"),
        ("patient00001", "train", "lateral"),
        ("patient64541", "test", "frontal"),
    ]
    assert cohort.exclusions == (("the image file is absent", 1),)
    assert [case.labels["edema"] for case in cohort] == ["uncertain", "uncertain", "absent"]
    assert len(cohort.cases[0].labels) == 14 and cohort.cases[1].fields["study"] == "patient00001/study2"
    strict = cohort_of("chexpert", tmp_path, labels=["Edema", "Pneumonia"], uncertain="positive", blank="negative")
    assert [case.labels for case in strict] == [{"edema": 1, "pneumonia": 1}] * 2 + [{"edema": 0, "pneumonia": 0}]
    with pytest.raises(CohortError) as caught:
        cohort_of("chexpert", tmp_path, labels=["Oedema"])
    assert caught.value.problem.code == "label_unknown"


def test_mimic_cxr_jpg_with_packed_tables(tmp_path):
    images = [("10000032", "50414267", "02aa"), ("10000032", "50414267", "174f"), ("10000764", "57375967", "0968")]
    write_tree(tmp_path, {f"files/p10/p{who}/s{study}/{name}.jpg": PICTURE for who, study, name in images})
    tables = {
        "metadata": "dicom_id,subject_id,study_id,ViewPosition,StudyDate\n02aa,10000032,50414267,PA,21800506\n"
        "174f,10000032,50414267,LATERAL,21800506\n0968,10000764,57375967,AP,21321015\n",
        "split": "dicom_id,study_id,subject_id,split\n02aa,50414267,10000032,train\n174f,50414267,10000032,train\n"
        "0968,57375967,10000764,validate\n",
        "chexpert": f"subject_id,study_id,{','.join(OBSERVATIONS)}\n10000032,50414267,1.0{',' * 13}\n",
    }
    for name, text in tables.items():
        (tmp_path / f"mimic-cxr-2.0.0-{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    cohort = cohort_of("mimic_cxr_jpg", tmp_path, labels=["No Finding", "Edema"], uncertain="unlabelled")
    assert [(case.key, case.patient, case.role, *case.images) for case in cohort] == [
        ("02aa", "10000032", "train", "frontal"),
        ("174f", "10000032", "train", "lateral"),
        ("0968", "10000764", "tune", "frontal"),
    ]
    assert [case.labels["no_finding"] for case in cohort] == [1, 1, None], "a study without a report is unlabelled"
    assert cohort.cases[0].fields == {"study": "50414267", "projection": "PA", "examined": "21800506"}
    with pytest.raises(CohortError) as caught:
        cohort_of("mimic_cxr_jpg", tmp_path, labeller="negbio")
    assert caught.value.problem.code == "data_absent"


def test_nih_chest_xray(tmp_path):
    head = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width"
    )
    rows = ["00000001_000.png,Cardiomegaly|Effusion,0,1,58,M,PA,2682", "00000001_001.png,No Finding,1,1,58,M,PA,2682"]
    write_tree(
        tmp_path,
        {
            "images_001/images/00000001_000.png": PICTURE,
            "images_002/images/00000001_001.png": PICTURE,
            "Data_Entry_2017_v2020.csv": "\n".join([head, *rows]),
            "test_list.txt": "00000001_000.png\n00000001_001.png",
        },
    )
    cohort = cohort_of("nih_chest_xray", tmp_path, labels=["Cardiomegaly", "Pleural_Thickening"])
    assert [case.labels for case in cohort] == [
        {"cardiomegaly": 1, "pleural_thickening": 0},
        {"cardiomegaly": 0, "pleural_thickening": 0},
    ]
    assert {case.patient for case in cohort} == {"1"} and {case.role for case in cohort} == {"test"}
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text("\n".join([head, rows[0].replace("Effusion", "Efusion")]))
    with pytest.raises(CohortError) as caught:
        cohort_of("nih_chest_xray", tmp_path)
    assert caught.value.problem.code == "label_unknown"


def test_padchest_reads_its_lists_without_evaluating_them(tmp_path):
    head = ",ImageID,ImageDir,StudyID,PatientID,PatientSex_DICOM,Projection,MethodLabel,Labels"
    rows = [
        """0,a.png,0,s1,p1,F,PA,Physician,"['pleural effusion', 'nodule']\"""",
        """1,b.png,12,s2,p2,M,L,RNN_model,['normal']""",
        "2,c.png,12,s3,p3,M,PA,Physician,",
        """3,d.png,12,s4,p4,M,AP_horizontal,RNN_model,"[__import__('os').getcwd(), 'nodule']\"""",
    ]
    write_tree(
        tmp_path, {name: PICTURE.astype(np.uint16) * 900 for name in ("0/a.png", "12/b.png", "12/c.png", "12/d.png")}
    )
    (tmp_path / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv").write_text("\n".join([head, *rows]))
    cohort = cohort_of("padchest", tmp_path, labels=["nodule"])
    assert [(*case.images, case.labels["nodule"]) for case in cohort] == [
        ("frontal", 1),
        ("lateral", 0),
        ("frontal", None),
        ("frontal", 1),
    ]
    read = cohort_of("padchest", tmp_path, labels=["nodule"], by_physicians=True)
    assert [case.patient for case in read] == ["p1", "p3"]


def test_covid_image_collection(tmp_path):
    head = "patientid,offset,sex,age,finding,RT_PCR_positive,view,modality,date,location,folder,filename\n"
    rows = "2,0,M,65,Pneumonia/Viral/COVID-19,Y,PA,X-ray,2020,Vietnam,images,a.png\n"
    rows += (
        "2,3,M,65,Pneumonia,Y,L,X-ray,2020,Vietnam,images,b.png\n339,,M,,Tuberculosis,,AP Supine,X-ray,,,images,a.png\n"
    )
    rows += "4,,F,,todo,,Axial,CT,,,volumes,c.nii.gz\n"
    write_tree(tmp_path, {"metadata.csv": head + rows, "images/a.png": PICTURE, "images/b.png": PICTURE})
    cohort = cohort_of("covid_image_collection", tmp_path)
    assert [(case.key, case.patient, case.labels["finding"], *case.images) for case in cohort] == [
        ("images-a", "2", "COVID-19", "frontal"),
        ("images-b", "2", "Pneumonia", "lateral"),
        ("images-a+2", "339", "Tuberculosis", "frontal"),
    ]
    coarse = cohort_of("covid_image_collection", tmp_path, level=1, modality="all")
    assert [case.labels["finding"] for case in coarse] == ["Pneumonia", "Pneumonia", "Tuberculosis"]
    assert coarse.exclusions == (("the image file is absent", 1),)


def test_idc_patches(tmp_path):
    names = ["10253/0/10253_idx5_x1351_y1101_class0.png", "10253/1/10253_idx5_x501_y351_class1.png", "8863/1/notes.png"]
    write_tree(tmp_path, dict.fromkeys(names, np.zeros((8, 8, 3), np.uint8)))
    cohort = cohort_of("idc_patches", tmp_path)
    assert [(case.patient, case.labels["carcinoma"], case.fields["x_pixels"]) for case in cohort] == [
        ("10253", 0, 1351),
        ("10253", 1, 501),
    ]


def test_brats_of_all_years(tmp_path):
    files = {
        f"HGG/BraTS19_CBICA_AAB_1/BraTS19_CBICA_AAB_1_{what}.nii.gz": SCAN
        for what in ("t1", "t1ce", "t2", "flair", "seg")
    }
    for visit in ("000", "001"):
        name = f"BraTS-GLI-00005-{visit}"
        files |= {
            f"{name}/{name}-{what}.nii.gz": SCAN for what in ("t1n", "t1c", "t2w", "t2f", "seg")[: 5 - int(visit)]
        }
    write_tree(tmp_path, {name: each.astype(np.uint8) if "seg" in name else each for name, each in files.items()})
    cohort = cohort_of("brats", tmp_path)
    assert all(sorted(case.images) == ["flair", "t1", "t1ce", "t2"] for case in cohort)
    assert Counter(case.patient for case in cohort) == {"BraTS-GLI-00005": 2, "BraTS19_CBICA_AAB_1": 1}
    assert [sorted(case.masks) for case in cohort] == [["label"], [], ["label"]]
    assert cohort.cases[2].fields == {"grade": "HGG"}


def test_isles(tmp_path):
    one, two = "sub-strokecase0001/ses-0001", "sub-strokecase0002/ses-0001"
    files = {f"{one}/sub-strokecase0001_ses-0001_{what}.nii.gz": SCAN for what in ("dwi", "adc", "flair")}
    files |= {
        f"{two}/dwi/sub-strokecase0002_ses-0001_dwi.nii.gz": SCAN,
        f"{two}/anat/sub-strokecase0002_ses-0001_FLAIR.nii.gz": SCAN,
    }
    files[f"derivatives/{one}/sub-strokecase0001_ses-0001_msk.nii.gz"] = (SCAN > 50).astype(np.uint8)
    write_tree(tmp_path, files)
    cohort = cohort_of("isles", tmp_path)
    assert [(case.patient, sorted(case.images), sorted(case.masks)) for case in cohort] == [
        ("sub-strokecase0001", ["adc", "dwi", "flair"], ["label"]),
        ("sub-strokecase0002", ["dwi", "flair"], []),
    ]
    assert open_case(cohort.root, cohort.cases[0]).masks["label"].is_label


def test_an_empty_folder_and_a_path_that_leads_out(tmp_path):
    for name in (
        "brats",
        "isles",
        "idc_patches",
        "nih_chest_xray",
        "chexpert",
        "mimic_cxr_jpg",
        "covid_image_collection",
    ):
        with pytest.raises(CohortError) as caught:
            cohort_of(name, tmp_path)
        assert caught.value.problem.code == "data_absent"
    write_tree(tmp_path, {"metadata.csv": "patientid,finding,view,modality,folder,filename\n1,x,PA,X-ray,..,a.png\n"})
    with pytest.raises(CohortError) as caught:
        cohort_of("covid_image_collection", tmp_path)
    assert caught.value.problem.code == "path_outside"
