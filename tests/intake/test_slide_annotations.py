"""Outlines of slides: ASAP's XML and GeoJSON, holes and excluded groups, tiles of every level, hostile XML."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from preceptor.cli import main
from preceptor.core.errors import CohortError
from preceptor.intake.annotations import asap as module
from preceptor.intake.annotations.asap import read_asap, write_asap
from preceptor.intake.annotations.files import read_annotations, write_annotations
from preceptor.intake.annotations.geojson import read_geojson, write_geojson
from preceptor.intake.annotations.painting import as_geometry, as_mask
from preceptor.intake.annotations.record import Annotation, Annotations
from preceptor.intake.annotations.tiles import TilePainter
from preceptor.maths.polygons import inside_polygon, polygon_area, rings_overlap

SIZE = (40, 30)


def square(left, top, right, bottom):
    """In edges of pixels, as viewers write them."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def asap(*annotations, groups=()):
    """XML as ASAP writes it: ``(type, group, places)`` each."""
    lines = ['<?xml version="1.0"?>', "<ASAP_Annotations>", "\t<Annotations>"]
    for number, (kind, group, places) in enumerate(annotations):
        lines.append(f'\t\t<Annotation Name="Annotation {number}" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">')
        lines.append("\t\t\t<Coordinates>")
        lines += [f'\t\t\t\t<Coordinate Order="{n}" X="{x}" Y="{y}" />' for n, (x, y) in enumerate(places)]
        lines += ["\t\t\t</Coordinates>", "\t\t</Annotation>"]
    lines += ["\t</Annotations>", "\t<AnnotationGroups>"]
    lines += [f'\t\t<Group Name="{name}" PartOfGroup="None" Color="#64FE2E"><Attributes /></Group>' for name in groups]
    return "\n".join([*lines, "\t</AnnotationGroups>", "</ASAP_Annotations>"])


def painted(annotations, label, size=SIZE):
    found = np.zeros(size, bool)
    for row in annotations.rows:
        if row.label == label and row.kind in ("box", "polygon"):
            found |= as_mask(row, size)
    return found


def block(*edges):
    found = np.zeros(SIZE, bool)
    for left, top, right, bottom in edges:
        found[left:right, top:bottom] = True
    return found


@pytest.fixture
def camelyon16(tmp_path):
    path = tmp_path / "tumor_001.xml"
    path.write_text(
        asap(
            ("Polygon", "_0", square(2, 3, 20, 15)),
            ("Spline", "_1", square(18, 10, 30, 25)),
            ("Polygon", "_2", square(17, 9, 22, 12)),
            ("Polygon", "_2", square(5, 5, 8, 7)),
            ("Polygon", "_2", square(35, 1, 38, 4)),
            ("Dot", "mitosis", [(10, 10)]),
            groups=("_0", "_1", "_2"),
        )
    )
    return path


def test_groups_of_camelyon16(camelyon16):
    found = read_asap(camelyon16, "tumor_001")
    assert found.labels == ("tumour", "mitosis")
    truth = block((2, 3, 20, 15), (18, 10, 30, 25)) & ~block((17, 9, 22, 12), (5, 5, 8, 7))
    assert np.array_equal(painted(found, "tumour"), truth)
    assert truth.sum() == 18 * 12 + 12 * 15 - 2 * 5 - (3 * 3 + 4 * 2 - 2 * 2) - 3 * 2
    assert [len(row.geometry) for row in found.rows[:2]] == [3, 2]
    assert found.rows[2].geometry == [9.5, 9.5]
    assert found.notes == ("1 excluded outlines overlap nothing and were dropped",)


def test_groups_of_camelyon17(tmp_path):
    path = tmp_path / "patient_010_node_4.xml"
    path.write_text(asap(("Polygon", "normal", square(4, 4, 9, 8)), ("Spline", "metastases", square(1, 1, 20, 20))))
    found = read_asap(path, "slide")
    assert np.array_equal(painted(found, "tumour"), block((1, 1, 20, 20)) & ~block((4, 4, 9, 8)))
    assert np.array_equal(painted(found, "normal"), block((4, 4, 9, 8)))
    tile = TilePainter(found, {"tumour": 1, "normal": 2}).paint((0, 0), SIZE)
    assert [(tile == value).sum() for value in (1, 2)] == [361 - 20, 20]


def test_other_groups_keep_their_names_and_the_order_that_is_written(tmp_path):
    path = tmp_path / "a.xml"
    ring = '<Coordinate Order="2" X="8" Y="4"/><Coordinate Order="0" X="2" Y="2"/><Coordinate Order="1" X="8" Y="2"/>'
    path.write_text(
        '<ASAP_Annotations><Annotations><Annotation Type="Polygon" PartOfGroup="Stroma" Name="é"><Coordinates>'
        f'{ring}</Coordinates></Annotation><Annotation Type="Measurement" PartOfGroup="None"><Coordinates>'
        '<Coordinate Order="0" X="1,5" Y="2"/><Coordinate Order="1" X="3" Y="2"/></Coordinates></Annotation>'
        "</Annotations></ASAP_Annotations>",
        encoding="utf-8",
    )
    found = read_annotations(path)
    assert found.labels == ("Stroma", "unnamed")
    assert found.rows[0].geometry == [["add", [[1.5, 1.5], [7.5, 1.5], [7.5, 3.5]]]]
    assert found.rows[1].kind == "line" and found.rows[1].geometry[0] == [1.0, 1.5]


def test_from_xml_to_geojson_and_back(camelyon16, tmp_path):
    first = read_asap(camelyon16, "slide")
    assert write_geojson(tmp_path / "a.geojson", first) == []
    second = read_geojson(tmp_path / "a.geojson", "slide")
    assert write_asap(tmp_path / "b.xml", second) == []
    third = read_asap(tmp_path / "b.xml", "slide")
    told = [
        [(row.label, row.kind, sorted(map(str, row.geometry))) for row in each.rows] for each in (first, second, third)
    ]
    assert told[0] == told[1] == told[2]
    write_asap(tmp_path / "c.xml", first)
    assert '"_1"' in (tmp_path / "c.xml").read_text() and 'Name="Annotation 1"' in (tmp_path / "c.xml").read_text()
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert features[0]["geometry"]["type"] == "Polygon" and len(features[0]["geometry"]["coordinates"]) == 3
    assert all(ring[0] == ring[-1] for ring in features[0]["geometry"]["coordinates"])
    assert features[0]["properties"]["classification"] == {"name": "tumour"}


def test_what_lies_in_a_hole_survives_xml(tmp_path):
    """An island of the same label, and another label that fills the hole: neither is cut out with it."""
    rings = [("add", square(1, 1, 20, 20)), ("cut", square(4, 4, 15, 15)), ("add", square(6, 6, 9, 9))]
    inner = [[how, (np.array(ring) - 0.5).tolist()] for how, ring in rings]
    rows = (
        Annotation("s", "tumour", "polygon", inner, image="s"),
        Annotation("s", "stroma", "box", [[9.5, 9.5], [13.5, 13.5]], image="s"),
    )
    write_asap(tmp_path / "a.xml", Annotations(rows))
    found = read_asap(tmp_path / "a.xml", "s")
    truth = block((1, 1, 20, 20)) & ~block((4, 4, 15, 15)) | block((6, 6, 9, 9))
    assert np.array_equal(painted(found, "tumour"), truth)
    assert np.array_equal(painted(found, "stroma"), block((10, 10, 14, 14)))
    write_geojson(tmp_path / "a.geojson", Annotations(rows))
    again = read_geojson(tmp_path / "a.geojson", "s")
    assert np.array_equal(painted(again, "tumour"), truth) and np.array_equal(
        painted(again, "stroma"), painted(found, "stroma")
    )


def test_what_a_format_can_not_hold_is_told(tmp_path):
    rows = (
        Annotation("s", "a", "mask", as_geometry(np.ones((2, 2), bool)), image="s"),
        Annotation("s", "b", "none", image="s"),
        Annotation("t", "c", "point", [1.0, 1.0], image="t"),
    )
    assert [line[:1] for line in write_asap(tmp_path / "a.xml", Annotations(rows))] == ["1", "1"]
    assert len(write_annotations(tmp_path / "a.geojson", Annotations(rows), "geojson")) == 2


def star(rng, middle, radius, points):
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    lengths = rng.uniform(0.4, 1, points) * radius
    return np.stack([middle[0] + lengths * np.cos(angles), middle[1] + lengths * np.sin(angles)], 1)


@pytest.mark.parametrize("downsample", [1.0, 2.0, 4.0, 3.7])
def test_tiles_are_the_level_and_its_areas_those_of_the_polygons(downsample):
    rng = np.random.default_rng(5)
    outer, hole = star(rng, (400, 300), 260, 60), square(370, 280, 430, 330)
    geometry = [["add", outer.tolist()], ["cut", hole]]
    painter = TilePainter(Annotations((Annotation("s", "t", "polygon", geometry, image="s"),)))
    width, height = (int(np.ceil(each / downsample)) for each in (800, 600))
    whole = painter.paint((0, 0), (width, height), downsample)
    area = (abs(polygon_area(outer)) - 60 * 50) / downsample**2
    border = np.linalg.norm(np.diff(outer, axis=0, append=outer[:1]), axis=1).sum() / downsample
    assert abs(int(whole.sum()) - area) < 0.1 * border
    tiles = np.zeros_like(whole)
    for x in range(0, width, 64):
        for y in range(0, height, 64):
            part = (min(64, width - x), min(64, height - y))
            tiles[x : x + 64, y : y + 64] = painter.paint((x * downsample, y * downsample), part, downsample)
    assert np.array_equal(tiles, whole)
    # Middles of a coarse pixel, in the full resolution's own numbers.
    x, y = np.argwhere(whole)[len(np.argwhere(whole)) // 3]
    shifted_ring = outer - ((np.array([x, y]) + 0.5) * downsample - 0.5)
    assert inside_polygon(shifted_ring, (1, 1))[0, 0]


def test_half_a_pixel_is_right_at_every_level():
    """Edges at 8 and 24 hold the pixels 8 to 23, and at four to one the pixels 2 to 5: exact at every level."""
    row = Annotation("s", "t", "polygon", [["add", (np.array(square(8, 8, 24, 24)) - 0.5).tolist()]], image="s")
    painter = TilePainter(Annotations((row,)), {"t": 7})
    for downsample in (1, 2, 4, 8):
        tile = painter.paint((0, 0), (40 // downsample, 40 // downsample), downsample)
        expected = np.zeros_like(tile)
        expected[8 // downsample : 24 // downsample, 8 // downsample : 24 // downsample] = 7
        assert np.array_equal(tile, expected)
    assert painter.paint((16, 16), (2, 2), 8).tolist() == [[7, 0], [0, 0]]


@pytest.mark.parametrize("downsample", [1.0, 2.0, 3.7, 4.0, (2.0, 4.0)])
def test_a_pixel_belongs_to_what_holds_its_middle(downsample):
    """Edges between pixels, where half a pixel at either level would show."""
    left, top, right, bottom = 8.8, 5.3, 24.7, 21.9
    ring = (np.array(square(left, top, right, bottom)) - 0.5).tolist()
    row = Annotation("s", "t", "polygon", [["add", ring]], image="s")
    along, down = np.broadcast_to(downsample, 2)
    for corner in ((0, 0), (4, 8)):
        tile = TilePainter(Annotations((row,))).paint(corner, (30, 30), downsample)
        x, y = corner[0] + (np.arange(30) + 0.5) * along, corner[1] + (np.arange(30) + 0.5) * down
        expected = ((x >= left) & (x < right))[:, None] & ((y >= top) & (y < bottom))[None]
        assert np.array_equal(tile == 1, expected) and expected.any()


def test_a_tile_costs_what_it_holds():
    """A hundred thousand pixels square, an outline of 50,000 vertices: a tile without the slide."""
    angles = np.linspace(0, 2 * np.pi, 50_000, endpoint=False)
    ring = (np.stack([np.cos(angles), np.sin(angles)], 1) * 49_000 + 50_000).tolist()
    painter = TilePainter(Annotations((Annotation("s", "t", "polygon", [["add", ring]], image="s"),)))
    start = time.perf_counter()
    tiles = [painter.paint((x, 50_000), (256, 256)) for x in (0, 900, 50_000)]
    assert time.perf_counter() - start < 1
    assert [int(tile.sum()) for tile in tiles[::2]] == [0, 256 * 256]
    at = 50_000 - np.sqrt(49_000**2 - np.arange(256.0) ** 2)
    assert abs(tiles[1].sum() - (900 + 256 - 0.5 - at).sum()) < 256


def test_a_painter_takes_outlines_of_one_slide(tmp_path):
    mask = Annotation("s", "a", "mask", as_geometry(np.ones((2, 2), bool)), image="s")
    box = Annotation("s", "a", "box", [[0, 0], [1, 1]], image="s")
    other = Annotation("t", "a", "box", [[0, 0], [1, 1]], image="t")
    for rows, values in (((mask,), None), ((box, other), None), ((box,), {"a": 256})):
        with pytest.raises(CohortError):
            TilePainter(Annotations(rows), values)
    assert TilePainter(Annotations((box, other)), image="t").paint((0, 0), (2, 2)).sum() == 1
    with pytest.raises(ValueError):
        TilePainter(Annotations((box,))).paint((0, 0), (2, 2), 0)


def test_rings_that_cross_without_holding_a_vertex_of_each_other_overlap():
    across, down = np.array(square(0, 4, 10, 6), float), np.array(square(4, 0, 6, 10), float)
    assert rings_overlap(across, down) and rings_overlap(across, across)
    assert not rings_overlap(across, np.array(square(10, 4, 12, 6), float))
    corner = np.array([[0, 0], [10, 0], [0, 10]], float)
    assert not rings_overlap(corner, np.array(square(7, 7, 9, 9), float))


def test_rings_that_share_area_are_found_whatever_they_share_else():
    shapely = pytest.importorskip("shapely")
    rng = np.random.default_rng(0)
    for number in range(400):
        first, second = (
            rng.uniform(0, 10, (3, 2)),
            rng.uniform(0, 10, (3, 2)) * rng.uniform(0.2, 1) + rng.uniform(0, 4, 2),
        )
        if number % 2:
            first, second = np.round(first), np.round(second)  # corners and edges in common
        areas = [shapely.Polygon(ring) for ring in (first, second)]
        if min(area.area for area in areas) > 1e-9:
            shared = areas[0].intersection(areas[1]).area > 1e-9
            assert rings_overlap(first, second) >= shared
            assert number % 2 or rings_overlap(first, second) == shared


def test_more_than_can_be_compared_is_refused_and_thousands_are_not(tmp_path, monkeypatch):
    boxes = [square(10 * n, 0, 10 * n + 8, 8) for n in range(1500)]
    holes = [square(10 * n + 2, 2, 10 * n + 4, 4) for n in range(1500)]
    (tmp_path / "a.xml").write_text(
        asap(*(("Polygon", "_0", ring) for ring in boxes), *(("Polygon", "_2", ring) for ring in holes))
    )
    start = time.perf_counter()
    found = read_asap(tmp_path / "a.xml", "slide")
    assert time.perf_counter() - start < 3 and all(len(row.geometry) == 2 for row in found.rows)
    monkeypatch.setattr(module, "_MOST_PAIRS", 1000)
    with pytest.raises(CohortError) as caught:
        read_asap(tmp_path / "a.xml", "slide")
    assert caught.value.problem.code == "too_large"


BOMB = "\n".join(
    [
        '<?xml version="1.0"?>',
        "<!DOCTYPE ASAP_Annotations [",
        '<!ENTITY a0 "laughing out loud">',
        *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)),
        "]>",
        "<ASAP_Annotations><Annotations>&a11;</Annotations></ASAP_Annotations>",
    ]
)
SECRET = "the words of a file that nobody asked for"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BOMB, "xml_doctype"),
        (
            '<!DOCTYPE A [<!ENTITY x SYSTEM "file:///{secret}">]><ASAP_Annotations>&x;</ASAP_Annotations>',
            "xml_doctype",
        ),
        (
            '<!DOCTYPE A [<!ENTITY % x SYSTEM "file:///{secret}"> %x;]><ASAP_Annotations></ASAP_Annotations>',
            "xml_doctype",
        ),
        ('<!DOCTYPE A SYSTEM "http://127.0.0.1:9/a.dtd"><ASAP_Annotations></ASAP_Annotations>', "xml_doctype"),
        ("<a>" * 100_000, "too_deep"),
        ("<ASAP_Annotations><Annotations>", "annotation_xml"),
        ("<ASAP_Annotations>&unknown;</ASAP_Annotations>", "annotation_xml"),
        ('<?xml version="1.0" encoding="no-such"?><ASAP_Annotations/>', "annotation_xml"),
        ("<svg><Annotation/></svg>", "annotation_format"),
        (asap(("Polygon", "_0", [(1, 1), (2, 2)])), "annotation_format"),
        (asap(("Polygon", "_0", [])), "annotation_format"),
        (asap(("Polygon", "_0", [("nan", 1), (2, 2), (3, 1)])), "annotation_format"),
        (asap(("Polygon", "_0", [("inf", 1), (2, 2), (3, 1)])), "annotation_format"),
        (asap(("Polygon", "_0", [("x", 1), (2, 2), (3, 1)])), "annotation_xml"),
        (asap(("Heart", "_0", square(1, 1, 2, 2))), "annotation_format"),
    ],
)
def test_hostile_and_damaged_xml_is_refused_by_name(content, code, tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    path = tmp_path / "Quillfeather.xml"
    path.write_text(content.replace("{secret}", str(tmp_path / "secret.txt")))
    start = time.perf_counter()
    with pytest.raises(CohortError) as caught:
        read_annotations(path)
    assert time.perf_counter() - start < 1
    assert caught.value.problem.code == code
    assert "Quillfeather" not in str(caught.value) and SECRET not in str(caught.value)


def test_from_the_command_line(camelyon16, tmp_path, capsys):
    assert main(["annotations", "convert", str(camelyon16), str(tmp_path / "a.geojson"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["tumour", "mitosis"]
    assert main(["annotations", "convert", str(tmp_path / "a.geojson"), str(tmp_path / "b.xml")]) == 0
    assert len(read_annotations(tmp_path / "b.xml")) == 3
