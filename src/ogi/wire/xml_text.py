"""XML as text: a small tree read without any of XML's dangers, and escaping.

Documents with a DTD are refused (no entities, so no billion laughs and no external ones), as are
those nested too deeply or with too many elements. Namespaces are tolerated and dropped: AWS's own
clients send them or not.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from ogi.wire.scalars import Malformed

DEPTH_MAX = 32
ELEMENTS_MAX = 200_000
"""CompleteMultipartUpload may carry 10,000 parts of up to a dozen elements each."""

NOT_VALID = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, MalformedXML"""


class Node:
    """An element: its local name, attributes, children and own text."""

    __slots__ = ("attributes", "children", "name", "pieces")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def attribute(self, local_name: str) -> str | None:
        for name, value in self.attributes.items():
            if name.rpartition(":")[2] == local_name:
                return value
        return None


def parse(data: bytes) -> Node:
    return _Parse(data).root


class _Parse:
    def __init__(self, data: bytes) -> None:
        self._open: list[Node] = []
        self._count = 0
        self._root: Node | None = None
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        try:
            parser.Parse(data, True)
        # LookupError and ValueError: an encoding that expat asks Python for.
        except (expat.ExpatError, LookupError, ValueError):
            raise Malformed(NOT_VALID) from None

    @property
    def root(self) -> Node:
        if self._root is None:
            raise Malformed(NOT_VALID)
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise Malformed(NOT_VALID)
        node = Node(name.rpartition(":")[2], attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def _refuse(self, *_declaration: object) -> None:
        raise Malformed(NOT_VALID)


# -- escaping -----------------------------------------------------------------------------------

_UNSAFE = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\ufffe\uffff\ud800-\udfff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """Text for an element or an attribute.

    A carriage return survives only as a reference. Characters that XML 1.0 cannot carry are
    written as references all the same, as S3 does: its documentation tells clients with such keys
    to ask for encoding-type=url.
    """
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(_reference, text)


def _reference(found: re.Match[str]) -> str:
    character = found.group()
    return _NAMED.get(character) or f"&#x{ord(character):x};"
