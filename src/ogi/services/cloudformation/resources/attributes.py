"""Properties that are a neighbour's attributes: texts by name, set one by one or all at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ogi.service import Fields
from ogi.services.cloudformation.values import text_of


def text(value: Any) -> str:
    """A property's value as an attribute has it: documents as JSON."""
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def given(properties: Fields, names: Iterable[str]) -> dict[str, str]:
    """The attributes of these names that the properties say."""
    return {name: text(properties[name]) for name in names if name in properties}


def changed(
    new: Mapping[str, str], old: Mapping[str, str], defaults: Mapping[str, str]
) -> dict[str, str]:
    """What to set so that the attributes are the new ones; what is gone is as by default again."""
    found = {name: value for name, value in new.items() if old.get(name) != value}
    found.update({name: defaults.get(name, "") for name in old if name not in new})
    return found
