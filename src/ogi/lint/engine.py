"""A run of cfn-lint with Ogi's rules over one template, read as CloudFormation reads it.

cfn-lint refuses a key that is written twice; CloudFormation takes the last. So does this reader,
and remembers it for the rule that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfnlint.config import ConfigMixIn
from cfnlint.decode import cfn_json, cfn_yaml
from cfnlint.decode.decode import decode_str
from cfnlint.runner.template.runner import run_template_by_data
from yaml import AliasToken, CSafeLoader, ScalarNode, YAMLError, scan
from yaml.scanner import ScannerError

from ogi.lint.paper import guessed
from ogi.lint.rules import DUPLICATES, GIVEN, as_collection

TEMPLATE_BYTES_MAX = 1_000_000
"""CloudFormation's own limit for a template in a bucket."""


class NoTemplate(ValueError):
    """What can be read, but is no template."""


class _Loader(cfn_yaml.CfnFullLoader):  # type: ignore[misc]
    def __init__(self, text: str) -> None:
        super().__init__(text, None)
        self.duplicates: list[tuple[str, int, int, int]] = []

    def construct_yaml_map(self, node: Any) -> Any:
        last: dict[str, Any] = {}
        for pair in node.value:
            key = pair[0]
            if not isinstance(key, ScalarNode):
                continue
            if key.value in last and key.tag != "tag:yaml.org,2002:merge":
                mark, first = key.start_mark, last[key.value][0].start_mark
                self.duplicates.append((key.value, mark.line, mark.column, first.line))
            last[key.value] = pair
        kept = {id(pair) for pair in last.values()}
        node.value = [
            pair
            for pair in node.value
            if not isinstance(pair[0], ScalarNode) or id(pair) in kept
        ]  # fmt: skip
        return super().construct_yaml_map(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)
_Loader.add_multi_constructor("!", cfn_yaml.multi_constructor)


def run(
    text: str, name: str, *, account: str = "", region: str = "",
    given: Mapping[str, Any] | None = None,
) -> list[Any]:  # fmt: skip
    """cfn-lint's matches in the order of their lines; each of ours has a `fix`.

    A template that cannot be read is one match, E0000; raises NoTemplate for what is none.
    account, region: of a stack that is there.
    """
    template, unreadable = _read(text)
    if unreadable:
        return list(unreadable)
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise NoTemplate(f"{name} is no template: it has no Resources.")
    if account:
        setattr(template, GIVEN, (account, region, dict(given or {})))
    elif given:
        setattr(template, GIVEN, (*guessed(text), dict(given)))
    config = ConfigMixIn([], regions=[region or "us-east-1"])
    found = run_template_by_data(template, config, as_collection())
    return sorted(found, key=lambda match: (match.linenumber, match.columnnumber, match.rule.id))


def _read(text: str) -> tuple[Any, list[Any]]:
    if "&" in text and "*" in text and _has_aliases(text):
        # CloudFormation refuses them; cfn-lint's own reader bounds what they expand to.
        return _what_is_wrong(text)
    try:
        loader = _Loader(text)
        template = loader.get_single_data()
    except ScannerError:
        try:
            return cfn_json.loads(text), []
        except Exception:
            return _what_is_wrong(text)
    except Exception:
        return _what_is_wrong(text)
    if isinstance(template, dict):
        setattr(template, DUPLICATES, loader.duplicates)
    return template, []


def _what_is_wrong(text: str) -> tuple[Any, list[Any]]:
    template, matches = decode_str(text)
    return template, list(matches)


def _has_aliases(text: str) -> bool:
    try:
        return any(isinstance(token, AliasToken) for token in scan(text, Loader=CSafeLoader))
    except YAMLError:
        return False
