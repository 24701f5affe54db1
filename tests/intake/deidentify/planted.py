"""A small folder as a hospital sends it, with a person's particulars in every place where they have been found."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import nibabel
import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

KNOWN = {
    "name": "Quillfeather^Zebedee",
    "identifier": "MRN-7734019",
    "birth": "19510423",
    "accession": "ACC5520917",
    "address": "Larkspur Crescent 14",
    "physician": "Ottoline^Vanterpool",
    "free": "Quillfeather",
    "study": "1.2.3.4.5.6.7890123",
}


def image(number: int, *, implicit: bool = False, patient: str = KNOWN["identifier"], day: str = "20210310") -> bytes:
    """A magnetic resonance slice, made here, that names its patient in many ways."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.5.6.7890123.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (
        KNOWN["study"],
        "1.2.3.9.1",
        "1.2.3.9.2",
    )
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = KNOWN["name"], patient, KNOWN["birth"]
    dataset.PatientAddress, dataset.AccessionNumber = KNOWN["address"], KNOWN["accession"]
    dataset.ReferringPhysicianName, dataset.StudyDate, dataset.StudyTime = KNOWN["physician"], day, "101500"
    dataset.StudyDescription = "MR brain Quillfeather, 23.04.1951"
    dataset.SeriesDescription, dataset.Modality, dataset.Manufacturer = "t1 mprage sag", "MR", "SIEMENS"
    dataset.InstanceNumber, dataset.SeriesNumber, dataset.PatientAge = number, 3, "070Y"
    dataset.RepetitionTime, dataset.ImageType = 2300.0, ["ORIGINAL", "PRIMARY", "M", "ND"]
    step = Dataset()
    step.ScheduledProcedureStepDescription = f"brain of {KNOWN['free']}"
    dataset.RequestAttributesSequence = Sequence([step])
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0F, "LO", KNOWN["free"])
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation, dataset.PixelSpacing = "MONOCHROME2", [1.0, 1.0]
    dataset.PixelData = np.arange(16, dtype=np.uint16).tobytes()
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def volume() -> bytes:
    """A packed NIfTI file with names in its text fields, an extension, after its image, and in the gzip header."""
    made = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([2.0, 2.0, 3.0, 1.0]))
    made.header["descrip"], made.header["aux_file"], made.header["intent_name"] = (
        KNOWN["free"],
        KNOWN["accession"],
        "Zebedee",
    )
    made.header["db_name"] = "MRN-7734019"
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", KNOWN["name"].encode()))
    out = io.BytesIO()
    with gzip.GzipFile(filename="Quillfeather.nii", mode="wb", fileobj=out) as packed:
        packed.write(made.to_bytes() + KNOWN["address"].encode())
    return out.getvalue()


def sidecar() -> bytes:
    """A BIDS sidecar with acquisition parameters and a person."""
    content = {
        "RepetitionTime": 2.3,
        "EchoTime": 0.00298,
        "FlipAngle": 9,
        "Manufacturer": "Siemens",
        "PatientName": KNOWN["name"],
    }
    content |= {
        "SliceTiming": [0.0, 0.1],
        "SeriesDescription": "t1 mprage Quillfeather",
        "AcquisitionTime": "10:15:00.0",
    }
    content |= {
        "PatientID": 7734019,
        "StudyInstanceUID": KNOWN["study"],
        "Quillfeather": 1,
        "ImageComments": KNOWN["address"],
    }
    return json.dumps(content).encode()


def write_folder(root: Path) -> None:
    """The folder: names of files and folders name the patient too."""
    home = root / "Quillfeather Zebedee 19510423"
    (home / "scans").mkdir(parents=True)
    for number in range(1, 6):
        (home / f"Quillfeather_{number}.dcm").write_bytes(image(number, implicit=number % 2 == 0))
    (home / "scans/MRN-7734019_T1w.nii.gz").write_bytes(volume())
    (home / "scans/MRN-7734019_T1w.json").write_bytes(sidecar())
    (home / "report Quillfeather.txt").write_text(f"Report on {KNOWN['name']}, {KNOWN['identifier']}")
    (home / "cut.dcm").write_bytes(image(9)[:700])
