"""Data protection policies: what is looked for in whose messages, and what becomes of them. Pure.

docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-policies.html and
docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-operations.html
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import msgspec

from ogi.errors import unsupported
from ogi.services.sns import data_identifiers
from ogi.services.sns.data_identifiers import Detector, Span, TooComplicated
from ogi.services.sns.errors import InvalidParameterException

POLICY_CHARS_MAX = 30_720
VERSION = "2021-06-01"
CUSTOM_MAX = 10
CUSTOM_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
CUSTOM_PATTERN = re.compile(r"[A-Za-z0-9_#=@/;, ^$?\[\]{}|\\*+.-]{1,200}")
"""docs: sns-message-data-protection-custom-data-identifiers#custom-data-identifiers-limitations"""
STATEMENTS_MAX = 100
GROUP_PREFIX = "/aws/vendedlogs/"
COMPILED_MAX = 256

_ARN = "arn:aws:dataprotection::aws:data-identifier/"


class Audit(msgspec.Struct, frozen=True):
    percent: int
    with_findings: str
    """A log group; '' if nobody is told."""
    without_findings: str


class Statement(msgspec.Struct, frozen=True):
    inbound: bool
    principals: frozenset[str]
    """'*' is everybody."""
    detectors: tuple[Detector, ...]
    audit: Audit | None = None
    replacement: str | None = None
    """De-identify: what stands for each character; '' removes them; None: another operation."""

    def concerns(self, *arns: str) -> bool:
        return "*" in self.principals or not self.principals.isdisjoint(arns)

    def spans(self, text: str) -> list[tuple[str, list[Span]]]:
        """By data identifier, where its data stand; only those that are there."""
        found = [(detector.name, detector.spans(text)) for detector in self.detectors]
        return [(name, spans) for name, spans in found if spans]

    def finds(self, text: str) -> bool:
        return any(detector.spans(text) for detector in self.detectors)


class Policy(msgspec.Struct, frozen=True):
    audit: Statement | None
    masks: tuple[Statement, ...]
    denies_inbound: tuple[Statement, ...]
    denies_outbound: tuple[Statement, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The log groups that are told what was found."""
        told = None if self.audit is None else self.audit.audit
        return () if told is None else (told.with_findings, told.without_findings)


def replaced(text: str, spans: list[Span], replacement: str) -> str:
    """The text without what stands at these places (in order, without overlaps)."""
    parts: list[str] = []
    at = 0
    for begin, end in spans:
        parts += (text[at:begin], replacement * (end - begin))
        at = end
    return "".join((*parts, text[at:]))


def joined(spans: list[Span]) -> list[Span]:
    """The same places in order, those that overlap as one."""
    whole: list[Span] = []
    for begin, end in sorted(spans):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return whole


@lru_cache(maxsize=COMPILED_MAX)
def compile(text: str) -> Policy:
    """The policy that a JSON text says; raises what SNS refuses, and by name what Ogi does."""
    if len(text) > POLICY_CHARS_MAX:
        raise _refusal(f"must have at most {POLICY_CHARS_MAX} characters")
    try:
        parsed = _object("The policy", json.loads(text))
    except (ValueError, RecursionError):
        raise _refusal("failed to parse JSON.") from None
    _check_names(parsed, {"Name", "Version", "Statement"}, {"Description", "Configuration"})
    if parsed["Version"] != VERSION:
        raise _refusal(f"Version must be {VERSION}")
    if not isinstance(parsed["Name"], str) or not parsed["Name"]:
        raise _refusal("Name must be a text")
    custom = _custom(parsed.get("Configuration", {}))
    given = parsed["Statement"]
    if not isinstance(given, list) or not 0 < len(given) <= STATEMENTS_MAX:
        raise _refusal(f"Statement must be a list of 1 to {STATEMENTS_MAX} statements")
    statements = [_statement(_object("A statement", one), custom) for one in given]
    audits = [one for one in statements if one.audit is not None]
    if len(audits) > 1:
        raise _refusal("a policy has only one audit statement")
    denies = [one for one in statements if one.audit is None and one.replacement is None]
    return Policy(
        audits[0] if audits else None,
        tuple(one for one in statements if one.replacement is not None),
        tuple(one for one in denies if one.inbound),
        tuple(one for one in denies if not one.inbound),
    )


def _custom(configuration: Any) -> dict[str, Detector]:
    """The policy's own data identifiers by name."""
    found = _object("Configuration", configuration)
    _check_names(found, set(), {"CustomDataIdentifier"})
    several = found.get("CustomDataIdentifier", [])
    if not isinstance(several, list) or len(several) > CUSTOM_MAX:
        raise _refusal(f"CustomDataIdentifier must be a list of at most {CUSTOM_MAX}")
    custom: dict[str, Detector] = {}
    for one in several:
        given = _object("A custom data identifier", one)
        _check_names(given, {"Name", "Regex"}, set())
        name, pattern = given["Name"], given["Regex"]
        if not isinstance(name, str) or not CUSTOM_NAME.fullmatch(name):
            raise _refusal("the Name of a custom data identifier is invalid")
        if name in custom or name in data_identifiers.MANAGED:
            raise _refusal(f"the Name {name} of a custom data identifier is taken")
        if not isinstance(pattern, str) or not CUSTOM_PATTERN.fullmatch(pattern):
            raise _refusal(f"the Regex of the custom data identifier {name} is invalid")
        try:
            data_identifiers.compiled(pattern)
        except TooComplicated as error:
            raise _refusal(
                f"the Regex of the custom data identifier {name} is invalid or too complicated:"
                f" {error}"
            ) from error
        custom[name] = Detector(name, pattern)
    return custom


def _statement(given: dict[str, Any], custom: dict[str, Detector]) -> Statement:
    _check_names(given, {"DataDirection", "DataIdentifier", "Principal", "Operation"}, {"Sid"})
    if given["DataDirection"] not in ("Inbound", "Outbound"):
        # AWS's answer in the tests of github.com/ballerina-platform/module-ballerinax-aws.sns.
        raise _refusal("Statement DataDirection must be either Inbound or Outbound")
    inbound = given["DataDirection"] == "Inbound"
    principals = given["Principal"]
    several = principals if isinstance(principals, list) else [principals]
    if not several or not all(isinstance(p, str) and (p == "*" or ":" in p) for p in several):
        raise _refusal("Principal must be a list of principals' ARNs or of *")
    names = given["DataIdentifier"]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise _refusal("DataIdentifier must be a list of data identifiers")
    detectors = tuple(_detector(name, custom) for name in dict.fromkeys(names))
    operation = _object("Operation", given["Operation"])
    if len(operation) != 1 or next(iter(operation)) not in ("Audit", "Deidentify", "Deny"):
        raise _refusal("Operation must be one of Audit, Deidentify and Deny")
    ((kind, how),) = operation.items()
    statement = Statement(inbound, frozenset(several), detectors)
    if kind == "Deny":
        _check_names(_object("Deny", how), set(), set())
        return statement
    if not inbound:
        raise _refusal(f"{kind} is for inbound messages only")
    if kind == "Audit":
        return msgspec.structs.replace(statement, audit=_audit(_object("Audit", how)))
    return msgspec.structs.replace(statement, replacement=_replacement(_object("Deidentify", how)))


def _detector(name: str, custom: dict[str, Detector]) -> Detector:
    if name in custom:
        return custom[name]
    managed = name.removeprefix(_ARN)
    if managed == name:
        raise _refusal(f"the data identifier {name} is not defined")
    detector = data_identifiers.MANAGED.get(managed)
    if detector is None:
        raise unsupported(f"the managed data identifier {managed} of data protection policies")
    return detector


def _audit(given: dict[str, Any]) -> Audit:
    _check_names(given, {"SampleRate"}, {"FindingsDestination", "NoFindingsDestination"})
    rate = given["SampleRate"]
    percent = int(rate) if isinstance(rate, str) and rate.isdecimal() else rate
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 99:
        raise _refusal("SampleRate must be an integer between 0 and 99")
    with_findings, without_findings = (
        _group(_object(name, given.get(name, {})))
        for name in ("FindingsDestination", "NoFindingsDestination")
    )
    if not with_findings and not without_findings:
        raise _refusal("Audit must have a FindingsDestination or a NoFindingsDestination")
    return Audit(percent, with_findings, without_findings)


def _group(destination: dict[str, Any]) -> str:
    _check_names(destination, set(), {"CloudWatchLogs", "Firehose", "S3"})
    for name in ("Firehose", "S3"):
        if name in destination:
            raise unsupported(f"the destination {name} of data protection findings")
    if not destination:
        return ""
    logs = _object("CloudWatchLogs", destination["CloudWatchLogs"])
    _check_names(logs, {"LogGroup"}, set())
    group = logs["LogGroup"]
    if not isinstance(group, str) or not group.startswith(GROUP_PREFIX):
        raise _refusal(f"the name of a LogGroup must begin with {GROUP_PREFIX}")
    return group


def _replacement(given: dict[str, Any]) -> str:
    _check_names(given, set(), {"MaskConfig", "RedactConfig"})
    if len(given) != 1:
        raise _refusal("Deidentify must have one of MaskConfig and RedactConfig")
    if "RedactConfig" in given:
        _check_names(_object("RedactConfig", given["RedactConfig"]), set(), set())
        return ""
    mask = _object("MaskConfig", given["MaskConfig"])
    _check_names(mask, {"MaskWithCharacter"}, set())
    character = mask["MaskWithCharacter"]
    if not isinstance(character, str) or len(character) != 1 or not " " <= character <= "~":
        raise _refusal("MaskWithCharacter must be one printable ASCII character")
    return character


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refusal(f"{what} must be a JSON object")
    return value


def _check_names(found: dict[str, Any], required: set[str], optional: set[str]) -> None:
    for name in sorted(required - set(found)):
        raise _refusal(f"{name} is missing")
    for name in found:
        if name not in required and name not in optional:
            raise _refusal(f"Unexpected JSON member: {name}")


def _refusal(reason: str) -> InvalidParameterException:
    return InvalidParameterException.of("DataProtectionPolicy", reason)
