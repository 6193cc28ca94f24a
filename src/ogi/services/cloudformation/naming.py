"""Physical names: the template's, or the stack's and the resource's with a random end.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html
"""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.cloudformation.resources.contract import ResourceType

RANDOM_CHARS = 12
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def decide(call: Call, kind: ResourceType, stack: str, logical: str, properties: Fields) -> str:
    """The physical name of a resource that is about to be made; '' if its neighbour names it."""
    naming = kind.naming
    if naming is None:
        return ""
    given = properties.get(naming.property) if naming.property else None
    if given:
        return str(given)
    suffix = naming.suffix(properties) if naming.suffix is not None else ""
    tail = "-" + random_text(call) + suffix
    room = naming.chars_max - len(tail)
    # The stack's name gives way first, but both keep a part.
    logical_room = min(len(logical), max(room // 2, room - len(stack) - 1))
    name = f"{stack[: room - logical_room - 1]}-{logical[:logical_room]}{tail}"
    if naming.lower:
        name = name.lower()
    return naming.form(name) if naming.form is not None else name


def random_text(call: Call) -> str:
    return "".join(_ALPHABET[byte % 36] for byte in call.entropy(RANDOM_CHARS))
