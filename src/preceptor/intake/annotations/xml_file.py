"""XML that others wrote, read as a stream: no declarations of its own, no entities, nothing fetched, nothing deep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from .json_file import annotation_error

#: A slide with a thousand outlines of a thousand vertices takes some 100 MiB.
MAX_BYTES = 2**29

#: Elements inside elements; annotations of slides nest four deep.
MAX_DEPTH = 32

_PART = 1 << 20


class _StoppedError(Exception):
    """Why the file is refused: what is wrong, what was expected, and a code."""


def read_xml(path: Path, begin: Callable[[str, Mapping[str, str]], None], end: Callable[[str], None]) -> None:
    """Go through a file's elements without holding them.

    A document type (``<!DOCTYPE``) is refused where it begins, and with it every entity that one could declare: text that
    unfolds to gigabytes, other files, addresses.

    Args:
        path: The file.
        begin: Called with the name and the attributes of each element that begins.
        end: Called with the name of each element that ends.

    Raises:
        CohortError: The file is absent, too large, nested too deep, declares a document type, or is no XML.

    Source: XML 1.0, sections 2.8 and 4.
    """
    path = Path(path)
    if not path.is_file():
        raise annotation_error(path, "the file is not there", "a file of annotations", "file_absent")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise annotation_error(path, f"the file holds {size:,} bytes", f"at most {MAX_BYTES:,}", "too_large")
    depth = 0

    def opened(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _StoppedError("the file nests elements too deep", f"at most {MAX_DEPTH} levels", "too_deep")
        begin(name, attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    def declares(*_: object) -> NoReturn:
        raise _StoppedError("the file declares a document type of its own", "XML without <!DOCTYPE", "xml_doctype")

    parser = expat.ParserCreate()
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.StartDoctypeDeclHandler = declares
    parser.EntityDeclHandler = declares
    parser.ExternalEntityRefHandler = declares
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        with path.open("rb") as stream:
            while part := stream.read(_PART):
                parser.Parse(part, False)
            parser.Parse(b"", True)
    except _StoppedError as error:
        what, expected, code = error.args
        raise annotation_error(path, what, expected, code, "export it again without one") from None
    except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding nobody knows is a LookupError
        raise annotation_error(path, "the file is no XML", "a whole XML export", "annotation_xml") from error
