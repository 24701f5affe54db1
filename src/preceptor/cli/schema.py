"""``preceptor schema``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def schema(*, out: Annotated[Path | None, Parameter(alias="-o")] = None, as_json: console.Json = False) -> None:
    """Print the JSON Schema of recipes, for editors that complete and check YAML.

    Parameters
    ----------
    out
        File to write it to.
    """
    from preceptor.recipe.jsonschema import json_schema

    text = json.dumps(json_schema(), indent=1)
    if out is None:
        print(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    console.result(str(out), {"schema": str(out)}, as_json)
