"""Write the data that de-identification rests on, from the standard's tables, into the package.

    python tools/deidentification_data.py confidentiality_profile_attributes.json ConfidentialityProfileSafePrivate.swift

The first is `standard/confidentiality_profile_attributes.json` of github.com/innolitics/dicom-standard (MIT), which holds
DICOM PS3.15 Table E.1-1; the second lies in github.com/raster-labs/DICOMKit and holds Table E.3.10-1 as lines of
"creator|group|element": "VR". The types of attributes (PS3.3) come from the tables that highdicom (MIT) carries, the words from
the code meanings (PS3.16) that pydicom (MIT) carries. The standard itself is © NEMA; rows, types and terms are facts of it.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from importlib.resources import files
from pathlib import Path

from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.sr._concepts_dict import concepts

FOLDER = Path(__file__).parent.parent / "src/preceptor/intake/deidentify"

COLUMNS = {
    "basicProfile": "basic",
    "cleanDescOpt": "descriptors",
    "cleanGraphOpt": "graphics",
    "cleanStructContOpt": "structured-content",
    "rtnLongFullDatesOpt": "full-dates",
    "rtnLongModifDatesOpt": "modified-dates",
    "rtnPatCharsOpt": "patient-characteristics",
    "rtnDevIdOpt": "device",
    "rtnUIDsOpt": "uids",
    "rtnSafePrivOpt": "safe-private",
    "rtnInstIdOpt": "institution",
}

#: Words of code meanings that are common family or given names as well, or name a person in an eponym.
NAMES = """
abraham adam adams albert alexander allen anderson andrew anna anne anthony arnold arthur austin baker barker barnes barton
bauer beck becker bell bennett benson bernard berry bishop black blake bond bowen boyd bradley brandt brooks brown bruce
bryant burns burton butler campbell carey carl carol carter charles christ christian clark claude cohen cole collins colles
cook cooper cox craig cross cruz dale daniel david davis day dean dennis diaz dixon douglas drake duncan dunn edwards
elliott ellis evans ferguson fisher fletcher ford foster fox francis frank franklin fraser freeman fuller garcia gardner
george gibson gilbert glenn gonzalez gordon graham grant gray green greene griffin hall hamilton hansen harper harris
harrison hart harvey hayes henry herman hill hoffmann holland holmes howard hudson hughes hunt hunter jackson jacob james
jane jensen johnson johnston jones jordan joseph keith kelly kennedy king klein knight lambert lane larsen lawrence lawson
lee leonard lewis lopez louis love ludwig marie marshall martin martinez mary mason max may meyer miller mills mitchell
montgomery moore morgan morris morrison murphy murray myers nelson nichols norman olsen osborn palmer park parker parkinson
paul perez perkins perry peter peters peterson philip phillips pierce porter powell price ramirez reed reid reynolds rice
richards richardson riley rivera robert roberts robertson robinson rodgers rogers rose ross roth russell ryan sanchez
sanders schmidt schneider schulz scott shaw shepherd simon simpson sims smith spencer stanley stephens stevens stewart stone
sullivan taylor thomas thompson todd torres tucker turner victor wagner walker wallace walter walton ward warren washington
watson weaver weber webb webster welch wells west wheeler white wilkins williams willis wilson wolf wolff wood woods wright
young zimmermann hodgkin alzheimer crohn barrett baker towne waters caldwell stenvers schuller judet ferguson grashey
stryker norgaard
"""

#: What scanners write into code strings and protocol names and no code meaning holds.
MORE_WORDS = """
original derived primary secondary other localizer axial axials mpr mip minip dis2d dis3d norm filtered mosaic diffusion adc
trace tracew flair mprage space vibe haste tse fse tfe ffe gre spgr fspgr bravo cube blade propeller trufi fiesta ssfp epi
dwi dti swi bold asl tof pca mra mrv mrcp stir spair spir dixon inphase outphase opphase water fat sag cor tra ax sagittal
coronal transverse oblique scout survey loc topogram recon reformat thick thin std bone lung soft brain body sharp smooth
kernel contrast post pre gad gadolinium arterial venous portal delayed late early phase rest stress gated dynamic perfusion
angio native plain without with helical sequence spiral routine protocol series study scan image images chest abdomen pelvis
head neck spine cervical thoracic lumbar knee hip shoulder wrist ankle elbow foot hand liver kidney heart cardiac
mammography screening tomosynthesis synthetic processing presentation monochrome monochrome1 monochrome2 palette color rgb
ybr full partial stationary interpolated integer vector supine prone decubitus feetfirst headfirst hfs hfp ffs ffp hfdr hfdl
ffdr ffdl erect standing sitting lateral frontal portable mobile bedside bilateral unpaired signed unsigned fractional
binary probability occupancy manual automatic semiautomatic gaussian median resampled averaged quantity mixed volume
distorted fluid attenuated multiplanar maximum minimum mean mobil mammo cardio vasc neuro ortho paediatric pediatric adult
child infant male female unknown unspecified none yes no volumetric tiled sparse overview label thumbnail reprojection slide
specimen segmented segmentation inversion recovery saturation preparation spoiled steady state contains text uidref pname
scoord scoord3d separate continuous inferred rectilinear portrait landscape cassette polyline multipoint unverified verified
attn scat dtim decy nrgy radl dcal slsens dlyd sing manu bqml propcps cspine headneck cylindrical rectangle labelmap const
rtdose rtplan rtstruct rtimage rcbf rcbv dcmr som5 mfsplit parts gems elec round hexagonal manual white black log gb18030
gbk research steering contiguous overlapping normal inverse identity linear sigmoid exact log_exact white black planar
siemens healthineers philips ge ge_medical_systems medical systems toshiba canon hitachi fujifilm fuji agfa carestream
hologic kodak konica minolta samsung medison mindray aloka esaote shimadzu varian elekta bruker acuson sonosite vidar
lumisys leica aperio hamamatsu ventana brilliance somatom magnetom optima discovery lightspeed signa ingenia achieva
aquilion revolution biograph symbia definition sensation emotion skyra avanto trio verio prisma espree allegra symphony
vision aera ambition force flash edge drive go top all plus intera gyroscan
"""


def write_table(source: Path) -> None:
    rows = json.loads(source.read_text(encoding="utf-8"))
    with (FOLDER / "confidentiality_table.csv").open("w", newline="", encoding="utf-8") as stream:
        stream.write(
            "# DICOM PS3.15 2024b, Table E.1-1 (© NEMA), as github.com/innolitics/dicom-standard (MIT) holds it;\n"
        )
        stream.write("# written by tools/deidentification_data.py, never by hand\n")
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["tag", "name", "in_standard_iod", *COLUMNS.values()])
        for row in sorted(rows, key=lambda each: each["tag"]):
            tag = "odd groups" if "odd" in row["tag"].lower() else row["tag"].strip("()").replace(",", "").lower()
            name = row["name"].split("\n")[0].strip()
            table.writerow([tag, name, row["stdCompIOD"], *(row.get(each, "") for each in COLUMNS)])


def write_safe_private(source: Path) -> None:
    """Creator, tag and VR of every row: facts; the meanings are left with the standard."""
    rows = re.findall(r'"([^"|]+)\|([0-9A-F]{4})\|([0-9A-F]{2})": "([A-Z/]*)"', source.read_text(encoding="utf-8"))
    head = (
        "# DICOM PS3.15 2026a, Table E.3.10-1 (© NEMA): creator, tag, VR; written by tools/deidentification_data.py\n"
    )
    lines = sorted(f"{creator}\t{group}xx{element}\t{vr}\n" for creator, group, element, vr in rows)
    (FOLDER / "safe_private.tsv").write_text(head + "".join(lines), encoding="utf-8")


def write_types() -> None:
    """For every kind of object the attributes it must have (1, 1C) or must at least name (2, 2C).

    An attribute inside sequences is named with the innermost of them. Numbers, UIDs and sequences outside the confidentiality
    table are never removed, so they are left out.
    """
    tables = files("highdicom") / "_standard"
    modules = json.loads((tables / "module_attribute_map.json").read_text())
    objects = json.loads((tables / "iod_module_map.json").read_text())
    classes = json.loads((tables / "sop_class_iod_map.json").read_text())
    with (FOLDER / "confidentiality_table.csv").open(encoding="utf-8") as stream:
        listed = {line[:8] for line in stream}
    kept = (
        "US",
        "UL",
        "SS",
        "SL",
        "FD",
        "FL",
        "DS",
        "IS",
        "AT",
        "UI",
        "SQ",
        "OB",
        "OW",
        "OF",
        "OD",
        "US or SS",
        "OB or OW",
    )
    tag_of = {keyword: f"{tag:08x}" for keyword, tag in keyword_dict.items()}
    required: dict[str, dict[str, str]] = {}
    for name, rows in modules.items():
        found: dict[str, str] = {}
        for row in rows:
            tags = [tag_of.get(each, "") for each in (*row["path"], row["keyword"])][-2:]
            if row["type"] not in ("1", "1C", "2", "2C") or "" in tags or tags[-1].startswith("0002"):
                continue
            if tags[-1] in listed or dictionary_VR(int(tags[-1], 16)) not in kept:
                found["/".join(tags)] = min(row["type"], found.get("/".join(tags), "3"))
        if found:
            required[name] = {}
            for type_ in sorted(set(found.values())):
                required[name][type_] = " ".join(sorted(place for place, each in found.items() if each == type_))
    content = {
        "source": "DICOM PS3.3 (© NEMA) as highdicom 0.28 (MIT) holds it; written by tools/deidentification_data.py",
        "classes": dict(sorted(classes.items())),
        "objects": {
            name: [each["key"] for each in rows if each["key"] in required] for name, rows in sorted(objects.items())
        },
        "modules": dict(sorted(required.items())),
    }
    (FOLDER / "attribute_types.json").write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


def write_words() -> None:
    words = set(MORE_WORDS.split())
    for scheme in concepts.values():
        for codes in scheme.values():
            for code in codes.values():
                words.update(re.findall(r"[a-z]{2,}", re.sub(r"\w+'s\b", " ", code[0].lower())))
    for keyword in keyword_dict:  # names of attributes name sidecars' entries too
        words.update(word.lower() for word in re.findall(r"[A-Z][a-z]+", keyword))
    words -= set(NAMES.split())
    head = "# Words of DICOM PS3.16 code meanings (© NEMA, as pydicom (MIT) holds them) and of scanners' protocols, without\n"
    head += "# those that are also people's names; written by tools/deidentification_data.py\n"
    (FOLDER / "vocabulary.txt").write_text(head + "\n".join(sorted(words)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
    write_safe_private(Path(sys.argv[2]))
    write_types()
    write_words()
