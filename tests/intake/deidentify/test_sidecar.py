"""Files beside an image: their free text, dates and names, and those in the names of the files themselves, in a zip as they come."""

from __future__ import annotations

import gzip
import json
import zipfile

import nibabel
import numpy as np
import pytest

from preceptor.cli import main
from preceptor.core.errors import PrepareError
from preceptor.intake.deidentify.leaks import Needles
from preceptor.intake.deidentify.sidecar import clean_gradients, clean_sidecar

from .planted import KNOWN, sidecar, volume


def cleaned(**content):
    return json.loads(clean_sidecar(json.dumps(content).encode(), "place").content)


def test_acquisition_stays():
    content = {
        "RepetitionTime": 2.3,
        "EchoTime": 0.00298,
        "FlipAngle": 9,
        "MagneticFieldStrength": 3,
        "EffectiveEchoSpacing": 0.00058,
        "PhaseEncodingDirection": "j-",
        "SliceTiming": [0.0, 0.1],
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "Manufacturer": "Siemens",
        "SeriesDescription": "t1 mprage sag",
        "ImageOrientationPatientDICOM": [1, 0, 0, 0, 1, 0],
    }
    kept = cleaned(**content)
    assert {name: kept[name] for name in list(content)[:5]} == {name: content[name] for name in list(content)[:5]}
    assert kept["SliceTiming"] == [0.0, 0.1] and kept["SeriesDescription"] == "t1 mprage sag"
    assert kept["ImageType"] == ["ORIGINAL", "PRIMARY", "M"] and kept["PhaseEncodingDirection"] == "j"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "seen on 3 March 2020",
            "2020-03-03",
            "03/03/2020",
            "03.03.1951",
            "Mar 3rd, 2020",
            "20200303",
            "at 10:15:00",
            "7734019",
        ),
        *("Dr Ottoline Vanterpool", "Quillfeather", "Zebedee Q", "Larkspur Crescent"),
    ],
)
def test_no_day_no_number_and_no_name_stays_in_free_text(text):
    kept = json.dumps(
        cleaned(SeriesDescription=text, ProtocolName="brain " + text, Nested={"SequenceVariant": [text, "SK"]})
    )
    for part in (
        "2020",
        "1951",
        "7734019",
        "Ottoline",
        "Vanterpool",
        "Quill",
        "Zebedee",
        "Larkspur",
        "10:15",
        "0303",
    ):
        assert part not in kept


def test_a_name_that_is_also_a_word_of_the_trade_goes_where_the_file_names_a_person():
    person = {"PatientName": "Head^Sagittal", "ReferringPhysicianName": "Liver, Ida"}
    assert cleaned(SeriesDescription="head sagittal liver brain") == {"SeriesDescription": "head sagittal liver brain"}
    assert cleaned(**person, SeriesDescription="head sagittal liver brain") == {"SeriesDescription": "brain"}
    assert cleaned(Participant={"Address": ["Spine Road"]}, SeriesDescription="spine road t2") == {
        "SeriesDescription": "t2"
    }
    assert cleaned(SubjectID=[20200303], Total=20200303.5, SliceThickness=20200303) == {}


def test_gradients_are_numbers_or_refused():
    assert clean_gradients(b"0 1000  1000\n", "p", ".bval").content == b"0 1000 1000\n"
    made = clean_gradients(b"0 0.70710678 -1\r\n0 1e-3 0\n0 0 0\n", "p", ".bvec")
    assert made.content == b"0 0.70710678 -1\n0 0.001 0\n0 0 0\n" and made.place == "p.bvec"
    for wrong in (b"", b"0 1000 Quillfeather\n", b"7734019\n", b"nan inf\n", b"1-2 3\n", "٣ 4".encode()):
        with pytest.raises(PrepareError) as refused:
            clean_gradients(wrong, "p", ".bval")
        assert refused.value.problem.code == "no_gradients"


def test_a_bids_folder_in_a_zip(tmp_path, capsys):
    archive, stem = tmp_path / "sent.zip", "bids/sub-Quillfeather/anat/sub-Quillfeather_MRN-7734019"
    with zipfile.ZipFile(archive, "w") as packed:
        for kind in ("T1w", "dwi"):
            packed.writestr(f"{stem}_{kind}.nii.gz", volume() if kind == "T1w" else diffusion())
            packed.writestr(f"{stem}_{kind}.json", sidecar())
        packed.writestr(f"{stem}_dwi.bval", "0 1000\n")
        packed.writestr(f"{stem}_dwi.bvec", "0 1\n0 0\n0 0\n")
        packed.writestr("bids/participants.tsv", f"participant_id\tname\nsub-01\t{KNOWN['name']}\n")
    (tmp_path / "key.txt").write_text("a key of sufficient length")
    (tmp_path / "known.csv").write_text(",".join(KNOWN) + "\n" + ",".join(KNOWN.values()) + "\n")
    command = ["deidentify", str(archive), str(tmp_path / "out"), "--key", str(tmp_path / "key.txt"), "--workers", "1"]
    assert main(command) == 3  # the table of participants is refused
    said = capsys.readouterr()
    assert "6 cleaned, 1 refused; 0 pseudonyms" in said.err
    assert not Needles(KNOWN).search((said.out + said.err).encode())
    assert main([*command, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["files"] == {"done before": 6, "refused": 1}
    assert main(["audit-phi", str(tmp_path / "out"), "--known", str(tmp_path / "known.csv")]) == 0
    places = [each.relative_to(tmp_path / "out").as_posix() for each in (tmp_path / "out").rglob("*") if each.is_file()]
    stems = {}
    for place in places:
        if "manifest" not in place:
            stems.setdefault(place.split(".")[0], []).append(place.partition(".")[2])
    # The two sidecars are alike to the byte, and each image has its own.
    assert sorted(map(sorted, stems.values())) == [["bval", "bvec", "json", "nii.gz"], ["json", "nii.gz"]]


def diffusion():
    made = nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.int16), np.eye(4))
    made.header["descrip"] = "Quillfeather"
    return gzip.compress(made.to_bytes())
