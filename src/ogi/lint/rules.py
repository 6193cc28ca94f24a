"""The pitfalls as rules of cfn-lint: `ogi lint` runs them, `cfn-lint -a ogi.lint.rules` does, too.

One class per pitfall of the catalogue. A template is looked at once; each rule takes its findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch, Rules

from ogi.errors import AwsError
from ogi.lint import fifo, hops, openness, timing
from ogi.lint.catalogue import ALL, Finding, Pitfall
from ogi.lint.paper import Paper, Path, guessed
from ogi.services.cloudformation import templates, transforms
from ogi.services.cloudformation.templates import SERVERLESS

FOUND = "ogi_findings"
"""The attribute of a cfn-lint template that keeps what was found in it."""
GIVEN = "ogi_given"
"""The attribute of a template's document: (account, region, parameters), where they are known."""
DUPLICATES = "ogi_duplicates"
"""The attribute of a template's document: keys that are written twice, with their places."""
_SUBJECTS = (hops, timing, openness, fifo)


def findings(template: Mapping[str, Any]) -> Iterator[Finding]:
    """All pitfalls of a template, as cfn-lint has read it."""
    account, region, given = getattr(template, GIVEN, None) or (*guessed(str(template)), {})
    document = _plain(template, account, region, given)
    paper = Paper(document, account, region, given)
    for subject in _SUBJECTS:
        for finding in subject.findings(paper):
            place = _source(template, finding.path)
            yield Finding(finding.id, place, finding.message, finding.fix)


def _plain(
    template: Mapping[str, Any], account: str, region: str, given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The template without serverless resources: as they are in CloudFormation's own words."""
    used = template.get("Transform")
    if SERVERLESS not in (used if isinstance(used, list) else [used]):
        return template
    start = templates.Template(transforms=(SERVERLESS,))
    try:
        read = templates.reread(start, template)
        if not transforms.needed(read):
            return template
        names = {name: str(value) for name, value in _values(template, given).items()}
        return transforms.translated(read, names, region, account).document()
    except AwsError:
        return template  # What is wrong with it the transform will say when it is deployed.


def _values(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    declared = template.get("Parameters") or {}
    defaults = {
        name: said["Default"]
        for name, said in declared.items()
        if isinstance(said, dict) and "Default" in said
    }
    return {**defaults, **given}


def _source(template: Mapping[str, Any], path: Path) -> Path:
    """The place of a resource that a transform made: the resource that it was made of."""
    resources = template.get("Resources") or {}
    if len(path) < 2 or path[1] in resources:
        return path
    makers = [name for name in resources if str(path[1]).startswith(str(name))]
    return ["Resources", max(makers, key=len)] if makers else ["Resources"]


class _Rule(CloudFormationLintRule):  # type: ignore[misc]
    """A rule that takes its findings from those of the whole template."""

    tags = ["ogi", "fanout"]  # noqa: RUF012

    def match(self, cfn: Any) -> list[Any]:
        found = getattr(cfn, FOUND, None)
        if found is None:
            found = list(findings(cfn.template))
            setattr(cfn, FOUND, found)
        matches = [
            RuleMatch(finding.path, finding.message, fix=finding.fix)
            for finding in found
            if finding.id == self.id
        ]
        if self.id == "W9020":
            matches += map(_twice, getattr(cfn.template, DUPLICATES, ()))
        return matches


def _twice(duplicate: tuple[str, int, int, int]) -> Any:
    key, line, column, first = duplicate
    return RuleMatch(
        [key, line],
        f"{key} is written here and in line {first + 1}: CloudFormation takes this one, and what"
        " the other says is as if it were not there.",
        fix="Leave one of them out, or write both values as one list.",
        location=(line, column, line, column + len(key)),
    )


def _made(pitfall: Pitfall) -> type[Any]:
    return type(
        pitfall.id,
        (_Rule,),
        {
            "__doc__": pitfall.title,
            "__module__": __name__,
            "id": pitfall.id,
            "shortdesc": pitfall.title,
            "description": pitfall.title,
            "source_url": pitfall.page,
        },
    )


CLASSES = {id: _made(pitfall) for id, pitfall in ALL.items()}
# By name, as cfn-lint looks for rules in a module.
globals().update(CLASSES)


def as_collection() -> Any:
    """All of them, as cfn-lint's runs and formatters want them."""
    rules = Rules()
    for id, made in CLASSES.items():
        rules[id] = made()
    return rules
