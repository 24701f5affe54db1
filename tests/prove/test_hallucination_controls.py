"""Controls that match distributions without training: what they do to lesions follows from what they match."""

from __future__ import annotations

import pytest

from preceptor.prove.hallucination import by_share

SEEDS = (0, 1, 2)


@pytest.mark.parametrize(("share", "shown"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_matched_moments_give_everybody_what_the_set_has(share, shown):
    for audit in by_share("moments", [share], SEEDS)[0]:
        assert audit.shown == pytest.approx(shown, abs=0.02)
        assert audit.appearance == pytest.approx(float(share == 1), abs=0.02)
        assert audit.disappearance == pytest.approx(float(share == 0), abs=0.02)


def test_a_map_of_grey_values_invents_no_lesion_and_loses_some_that_the_set_never_had():
    for share, audits in zip((0.0, 0.5, 1.0), by_share("quantiles", (0.0, 0.5, 1.0), SEEDS), strict=True):
        for audit in audits:
            assert audit.appearance == 0
            assert audit.disappearance > 0.05 if share == 0 else audit.disappearance < 0.01


def test_a_matched_histogram_that_keeps_the_contrast_loses_them_all():
    """Half of the training images have a lesion, the histograms match, and nearly every lesion is gone."""
    for audit in by_share("quantiles kept", [0.5], SEEDS)[0]:
        assert audit.disappearance > 0.98 and audit.verdict == "not for diagnosis"
