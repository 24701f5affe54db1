"""Two folders of masks or images, judged as if a run of ours had answered."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from PIL import Image

from preceptor import api
from preceptor.core.errors import CohortError
from preceptor.prove.foreign_masks import read_folders


@pytest.fixture
def folders(tmp_path):
    """Three truths as PNG with the values 0 and 255, three answers as NIfTI that miss a column each, and one more."""
    truth, answer = tmp_path / "truth", tmp_path / "answer"
    truth.mkdir()
    answer.mkdir()
    for at in range(3):
        mask = np.zeros((16, 16), np.uint8)
        mask[2:10, 3 : 8 + at] = 255
        Image.fromarray(mask.T).save(truth / f"case-{at}.png")
        mask[:, 3] = 0
        Image.fromarray(mask.T).save(answer / f"case-{at}.tif")
    Image.fromarray(mask).save(answer / "another.png")
    return truth, answer


def test_masks_are_matched_by_name_and_measured_by_what_suits_them(folders, tmp_path):
    truth, answer = folders
    evidence = api.evaluate(None, predictions=answer, truth=truth, out=tmp_path / "judged")
    assert {"dice", "iou", "surface_distance"} <= set(evidence)
    width = np.array([5, 6, 7])
    assert evidence["dice"].value == pytest.approx(np.mean(2 * (width - 1) / (2 * width - 1)))
    assert evidence["dice"].cases == 3 and "images" in evidence["dice"].method
    assert "no stored sample" in evidence.facts["left_out"]["calibration"]
    assert (tmp_path / "judged" / "report.html").stat().st_size > 10_000


def test_patients_and_fields_come_from_a_table(folders, tmp_path):
    truth, answer = folders
    (tmp_path / "cases.csv").write_text("key,patient,site\ncase-0,p,A\ncase-1,p,A\ncase-2,q,B\n")
    predictions = read_folders(truth, answer, cases=tmp_path / "cases.csv")
    assert predictions.table["cluster"].tolist() == ["p", "p", "q"]
    assert predictions.table["field:site"].tolist() == ["A", "A", "B"]
    (tmp_path / "cases.csv").write_text("key,patient\ncase-0,p\n")
    with pytest.raises(CohortError, match="2 of 3 images are not in the table"):
        read_folders(truth, answer, cases=tmp_path / "cases.csv")


def test_objects_and_images(folders, tmp_path):
    truth, answer = folders
    evidence = api.evaluate(None, predictions=answer, truth=truth, task="instances", out=tmp_path / "objects")
    assert evidence["panoptic_quality"].value == pytest.approx(np.mean([4 / 5, 5 / 6, 6 / 7]))
    evidence = api.evaluate(None, predictions=answer, truth=truth, task="translation", out=tmp_path / "images")
    assert evidence["image_quality.error"].value == pytest.approx(255 * 8 / 256)


def test_structures_are_named_by_value_or_as_asked(tmp_path):
    for name in ("truth", "answer"):
        (tmp_path / name).mkdir()
        volume = np.zeros((6, 6, 6), np.uint8)
        volume[1:3], volume[3:5] = 1, 4
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / name / "a.nii.gz")
    assert read_folders(tmp_path / "truth", tmp_path / "answer").question.classes == (
        "background",
        "structure 1",
        "structure 4",
    )
    named = read_folders(tmp_path / "truth", tmp_path / "answer", labels={"anterior": 1, "posterior": 4})
    assert named.question.classes[1:] == ("anterior", "posterior") and named.question.values == (0, 1, 4)


def test_what_can_not_be_matched_is_an_error(folders, tmp_path):
    truth, answer = folders
    (answer / "case-1.tif").unlink()
    with pytest.raises(CohortError, match="1 of 3 truths have no answer"):
        read_folders(truth, answer)
    (answer / "case-1.tif").write_bytes(b"")
    (answer / "case-1.png").write_bytes(b"")
    with pytest.raises(CohortError, match="two answers have one name"):
        read_folders(truth, answer)
    with pytest.raises(CohortError, match="is not there"):
        read_folders(truth, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="holds no image"):
        read_folders(tmp_path / "empty", answer)


def test_an_image_given_as_a_mask_is_told(tmp_path):
    for name in ("truth", "answer"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / name / "a.png")
    with pytest.raises(CohortError, match="more than 64 values"):
        read_folders(tmp_path / "truth", tmp_path / "answer")


def test_the_command_line_takes_two_folders(folders, tmp_path, capsys):
    from preceptor.cli import main

    truth, answer = folders
    arguments = ["evaluate", "--predictions", str(answer), "--truth", str(truth), "--label", "cell=255"]
    assert main([*arguments, "--out", str(tmp_path / "judged")]) == 0
    assert "dice" in capsys.readouterr().out
