"""The texture audit names steps that wipe a planted texture out, and no others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from preceptor.core.cohort import Sample
from preceptor.core.errors import CohortError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.prepare.texture_audit import audit_texture


def pictures(number=8, size=72, dims=2):
    """Smooth pictures with a dark background: all their grain is planted by the audit."""
    place = np.stack(
        np.meshgrid(*[np.linspace(-1, 1, size)] * 2, *[np.linspace(-1, 1, 14)] * (dims - 2), indexing="ij")
    )
    made = []
    for case in range(number):
        rng = np.random.default_rng(case)
        organ = (place**2).sum(0) < 0.7
        shade = gaussian_filter(rng.standard_normal(organ.shape), 8)
        shade *= 40 / shade.std()
        array = np.where(organ, 400 + shade + rng.normal(0, 2, organ.shape), 0).astype(np.float32)
        made.append(Sample(f"case-{case}", {"view": Image(array[None], np.eye(4))}))
    return made


def steps(*specs):
    return [(spec if isinstance(spec, str) else next(iter(spec)), build("transforms", spec)) for spec in specs]


def row(audit, name):
    return next(each for each in audit.rows if each.step == name)


def test_a_heavy_blur_and_a_coarse_grid_are_named():
    audit = audit_texture(
        pictures(),
        steps("zscore", {"resample": {"spacing_mm": [4, 4]}}),
        steps({"noise": {"sigma": 0.01}}, {"flip": {"axes": ["left-right"], "chance": 0.5}}),
    )
    assert audit.wiped == ("resample",)
    assert "resample" in audit.sentence
    blurred = audit_texture(pictures(), steps("zscore"), steps({"blur": {"sigma_mm": 12.0, "chance": 0.1}}, "gamma"))
    assert blurred.wiped == ("blur",)
    assert row(blurred, "as read").auroc > 0.85 and row(blurred, "zscore").kept > 0.95
    assert row(blurred, "blur").auroc < 0.75


def test_steps_that_keep_texture_are_not_named():
    audit = audit_texture(pictures(), steps("zscore", "percentile", "nyul", "equalise"))
    assert audit.wiped == () and audit.sentence == "Every step keeps the planted texture."
    assert [each.step for each in audit.rows] == ["as read", "zscore", "percentile", "nyul", "equalise"]


def test_the_same_grain_on_both_sides_is_told_apart_by_chance_alone():
    audit = audit_texture(pictures(12), steps("zscore"), steps("gamma"))
    assert all(abs(each.control - 0.5) < 0.12 for each in audit.rows)


def test_volumes_and_the_same_seed():
    given = pictures(5, 48, dims=3)
    first, again = (audit_texture(given, steps("zscore"), seed=3) for _ in range(2))
    assert first == again and row(first, "as read").auroc > 0.8


def test_too_few_cases_are_refused():
    with pytest.raises(CohortError, match="too few"):
        audit_texture(pictures(3), [])
