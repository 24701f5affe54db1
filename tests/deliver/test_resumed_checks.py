"""A run that was killed while its images were looked at does not look at them again."""

from __future__ import annotations

import pytest

from preceptor import api
from preceptor.intake import survey

from .sealed import two_view_run


def test_a_killed_check_goes_on_where_it_was(tmp_path, monkeypatch):
    opened = []
    real = survey._open

    def killed(root, case):
        opened.append(case.key)
        if len(opened) == 7:
            raise KeyboardInterrupt
        return real(root, case)

    monkeypatch.setattr(survey, "_open", killed)
    with pytest.raises(KeyboardInterrupt):
        two_view_run(tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "survey").is_dir()
    run = api.run(tmp_path / "recipe.yaml", tmp_path / "runs", stream=None, device="cpu")
    assert len(opened) == 7 + 24 - 6 and len(set(opened)) == 24
    assert run.folder == folder and not (folder / "survey").exists() and run.evidence is not None
