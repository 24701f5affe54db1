"""``preceptor report RUN``"""

from __future__ import annotations

from pathlib import Path

from . import console


def report(run: Path, *, as_json: console.Json = False) -> None:
    """Write a run's report anew, from what lies in its folder.

    Parameters
    ----------
    run
        Folder that `preceptor run` made.
    """
    from preceptor import api

    path = api.report(run)
    console.result(str(path), {"report": str(path)}, as_json)
