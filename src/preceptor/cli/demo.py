"""``preceptor demo``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def demo(
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("demo"),
    fresh: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Watch the whole path on phantoms made on the spot: check, train, prove, seal, predict, refuse.

    Parameters
    ----------
    out
        Folder for everything the demo makes.
    fresh
        Start anew where an earlier demo lies.
    """
    from preceptor import api

    shown = api.demo(out, fresh=fresh, stream=sys.stderr)
    rows = [(key, str(value)) for key, value in shown.items()]
    console.result(console.columns(rows, ""), shown, as_json)
