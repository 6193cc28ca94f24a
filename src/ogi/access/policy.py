"""Policies: JSON documents compiled once into matchers, and what their statements say.

Law: compiling and matching are pure; a document's decision depends on nothing but the request.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from ogi.access import patterns
from ogi.access.conditions import LEGACY, SYNTAX, BadCondition, Condition, Context
from ogi.access.patterns import Pattern
from ogi.access.principals import Principals

POLICY_BYTES_MAX: Final = 64 * 1024
"""Above every service's own limit (KMS: 32 KiB, S3: 20 KiB, IAM: 10,240 characters)."""
COMPILED_MAX: Final = 4096
"""Compiled documents kept, by their text."""
ACTIONS_MAX: Final = 1024
"""Actions whose statements a policy remembers; requests name no more, simulations may."""

SOURCES: Final = ("aws:sourcearn", "aws:sourceaccount")
"""The keys that say for which resource, and whose, a service acts."""

VERSIONS: Final = ("2008-10-17", "2012-10-17")
_POLICY_KEYS: Final = frozenset({"Version", "Id", "Statement"})
_STATEMENT_KEYS: Final = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
     "NotResource", "Condition"}
)  # fmt: skip


class PolicySyntax(ValueError):
    """A document that is no policy. The text is AWS's sentence; services name the error."""

    def __init__(self, text: str, of_iam: str = "") -> None:
        super().__init__(text)
        self.of_iam = of_iam or text
        """IAM's own sentence: ogi.access.grammar."""


class Statement:
    """One statement, compiled."""

    __slots__ = ("_literals", "_patterns", "action_texts", "actions", "allows", "any_resource",
                 "conditions", "index", "named_resource", "not_action", "not_resource",
                 "principals", "resource_texts", "sid", "text", "unconditional")  # fmt: skip

    def __init__(self, index: int, body: dict[str, Any], variables: bool, text: str) -> None:
        self.index = index
        self.text = text
        """The policy's, in which this is the statement `index`."""
        self.sid: str | None = body.get("Sid")
        self.allows = body["Effect"] == "Allow"
        self.principals: Principals | None = None
        if "Principal" in body:
            self.principals = Principals(body["Principal"], negated=False)
        elif "NotPrincipal" in body:
            self.principals = Principals(body["NotPrincipal"], negated=True)
        self.not_action = "NotAction" in body
        self.action_texts = _texts(body["NotAction" if self.not_action else "Action"])
        self.actions = [patterns.wildcard(text.lower()) for text in self.action_texts]
        self.not_resource = "NotResource" in body
        self.named_resource = self.not_resource or "Resource" in body
        # A trust policy has no resource: it speaks of its role only.
        self.resource_texts = _texts(body.get("NotResource", body.get("Resource", "*")))
        compiled = [patterns.parse(text, variables) for text in self.resource_texts]
        self._literals = frozenset(p.literal for p in compiled if p.literal is not None)
        self._patterns: list[Pattern] = [p for p in compiled if p.literal is None]
        self.any_resource = not self.not_resource and any(p.everything for p in compiled)
        self.conditions = _conditions(body.get("Condition", {}), variables)
        self.unconditional = self.any_resource and not self.conditions

    def speaks_of_action(self, action: str) -> bool:
        """`action` in lower case."""
        return any(matches(action) for matches in self.actions) != self.not_action

    def speaks_of_resource(self, resource: str, context: Context) -> bool:
        if self.any_resource:
            return True
        named = resource in self._literals or any(
            pattern.matches(resource, context.lookup) for pattern in self._patterns
        )
        return named != self.not_resource

    def applies(self, resource: str, context: Context) -> bool:
        """Whether resource and conditions match (the caller looked at action and principal)."""
        if self.unconditional:
            return True
        if not self.any_resource and not self.speaks_of_resource(resource, context):
            return False
        # A loop, for all(...) would cost a generator on every request.
        for condition in self.conditions:  # noqa: SIM110
            if not condition.holds(context):
                return False
        return True

    @property
    def is_steady(self) -> bool:
        """Conditions ask only for the source of a service's request, patterns for no variable."""
        return all(c.key in SOURCES and c.is_literal for c in self.conditions) and all(
            pattern.match is not None for pattern in self._patterns
        )

    @property
    def name(self) -> str:
        return self.sid if self.sid else f"statement {self.index + 1}"


class Rules:
    """Statements of one or several policies that are looked at together."""

    __slots__ = ("_by_action", "statements")

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = tuple(statements)
        self._by_action: dict[str, Found] = {}

    def on(self, action: str) -> Found:
        """What they say about an action."""
        found = self._by_action.get(action)
        if found is None:
            if len(self._by_action) >= ACTIONS_MAX:
                self._by_action.clear()
            found = self._by_action[action] = Found.of(self.statements, action)
        return found


class Policy:
    """A compiled document."""

    __slots__ = ("id", "rules", "text", "version")

    def __init__(self, text: str, version: str, id: str | None, rules: Rules) -> None:
        self.text = text
        self.version = version
        self.id = id
        self.rules = rules

    @property
    def statements(self) -> tuple[Statement, ...]:
        return self.rules.statements


class Found:
    """What a set of statements says about one action."""

    __slots__ = ("allows", "always", "denies", "empty", "settled", "steady")

    def __init__(self, denies: tuple[Statement, ...], allows: tuple[Statement, ...]) -> None:
        self.denies = denies
        self.allows = allows
        self.empty = not denies and not allows
        self.always = not denies and any(statement.unconditional for statement in allows)
        """Allowed whatever the resource and the context are (principals left aside)."""
        self.steady = all(statement.is_steady for statement in (*denies, *allows))
        """What they say depends on nothing of a request but who asks for what, and its source."""
        self.settled: set[tuple[str, ...]] = set()
        """Where that was found to be allowed, for `authorise`; of steady ones only."""

    @classmethod
    def of(cls, statements: Sequence[Statement], action: str) -> Found:
        lower = action.lower()
        speaking = [s for s in statements if s.speaks_of_action(lower)]
        return cls(
            tuple(s for s in speaking if not s.allows), tuple(s for s in speaking if s.allows)
        )

    def denied(self, resource: str, context: Context) -> Statement | None:
        for statement in self.denies:
            if statement.applies(resource, context):
                return statement
        return None

    def allowed(self, resource: str, context: Context) -> Statement | None:
        for statement in self.allows:
            if statement.applies(resource, context):
                return statement
        return None


@lru_cache(maxsize=COMPILED_MAX)
def compile(text: str) -> Policy:
    """Compile a document; raises PolicySyntax. The result is shared and must not be changed."""
    if len(text.encode("utf-8", "surrogatepass")) > POLICY_BYTES_MAX:
        raise PolicySyntax(f"The policy is larger than {POLICY_BYTES_MAX} bytes.")
    document = _parse(text)
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise PolicySyntax("The policy must contain a valid version string", SYNTAX)
    if not isinstance(document.get("Id", ""), str):
        raise PolicySyntax("Syntax errors in policy.")
    bodies = document.get("Statement")
    bodies = [bodies] if isinstance(bodies, dict) else bodies
    if not isinstance(bodies, list) or not bodies:
        raise PolicySyntax("Syntax errors in policy.")
    variables = version != VERSIONS[0]
    statements = [_statement(i, body, variables, text) for i, body in enumerate(bodies)]
    return Policy(text, version, document.get("Id"), Rules(statements))


def _parse(text: str) -> dict[str, Any]:
    try:
        # Numbers stay the text that they are: conditions compare them by their operators.
        document = json.loads(
            text, object_pairs_hook=_unique, parse_int=str, parse_float=str, parse_constant=_refuse
        )
    except PolicySyntax:
        raise
    except (RecursionError, ValueError):
        raise PolicySyntax("This policy contains invalid Json") from None
    if not isinstance(document, dict) or document.keys() - _POLICY_KEYS:
        raise PolicySyntax("Syntax errors in policy.")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """ "Individual elements must not contain multiple instances of the same key" (grammar)."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise PolicySyntax("Syntax errors in policy.")
    return entries


def _refuse(constant: str) -> Any:
    raise PolicySyntax("This policy contains invalid Json")


def _statement(index: int, body: Any, variables: bool, text: str) -> Statement:
    if not isinstance(body, dict) or body.keys() - _STATEMENT_KEYS:
        raise PolicySyntax("Syntax errors in policy.")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise PolicySyntax(SYNTAX, LEGACY if isinstance(body.get("Effect"), str) else SYNTAX)
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource"),
                       ("Principal", "NotPrincipal")):  # fmt: skip
        if one in body and other in body:
            raise PolicySyntax("Syntax errors in policy.")
    if not isinstance(body.get("Sid", ""), str):
        raise PolicySyntax("Syntax errors in policy.")
    if "Action" not in body and "NotAction" not in body:
        raise PolicySyntax("Policy statement must contain actions.")
    if body.get("Action", body.get("NotAction")) in ([], ""):
        raise PolicySyntax("Policy statement must contain actions.")
    if body.get("Resource", body.get("NotResource", "*")) in ([], ""):
        raise PolicySyntax("Policy statement must contain resources.")
    try:
        return Statement(index, body, variables, text)
    except PolicySyntax:
        raise
    except BadCondition as condition:
        raise PolicySyntax(str(condition), condition.of_iam) from None
    except (TypeError, ValueError):
        raise PolicySyntax("Syntax errors in policy.") from None


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(entry, str) for entry in values):
        raise PolicySyntax("Syntax errors in policy.")
    return tuple(values)


def _conditions(block: Any, variables: bool) -> tuple[Condition, ...]:
    if not isinstance(block, dict):
        raise PolicySyntax("Syntax errors in policy.")
    conditions = []
    for operator, keys in block.items():
        if not isinstance(keys, dict):
            raise PolicySyntax("Syntax errors in policy.")
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(v, str | bool) for v in values):
                raise PolicySyntax("Syntax errors in policy.")
            texts = [str(v).lower() if isinstance(v, bool) else v for v in values]
            conditions.append(Condition(operator, key, texts, variables))
    return tuple(conditions)
