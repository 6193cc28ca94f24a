"""Delivery policies of HTTP/S subscriptions: retries, throttling, content type.

docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import msgspec

from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.retries import Phases

RETRIES_MAX = 100
DELAY_S_MAX = 3_600
TOTAL_S_MAX = 3_600
FUNCTIONS = ("arithmetic", "exponential", "geometric", "linear")
CONTENT_TYPES = frozenset((
    "text/css", "text/csv", "text/html", "text/plain", "text/xml", "application/atom+xml",
    "application/json", "application/octet-stream", "application/soap+xml",
    "application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml",
))  # fmt: skip
DEFAULT_TYPE = "text/plain; charset=UTF-8"
DEFAULT_RETRIES: dict[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
_OF_TOPIC = {
    "defaultHealthyRetryPolicy": "healthyRetryPolicy",
    "defaultThrottlePolicy": "throttlePolicy",
    "defaultRequestPolicy": "requestPolicy",
}


_EMPTY = {"sicklyRetryPolicy": None, "guaranteed": False}
"""What an EffectiveDeliveryPolicy shows beside the parts that count, and is taken back as it was
shown: whoever copies one policy to another subscription sends it."""


class Policy(msgspec.Struct, frozen=True):
    """What counts for a subscription."""

    phases: Phases
    content_type: str
    per_second: int | None

    def shown(self) -> dict[str, Any]:
        """As EffectiveDeliveryPolicy."""
        phases = self.phases
        return {
            "healthyRetryPolicy": _shown_retries(phases),
            "sicklyRetryPolicy": _EMPTY["sicklyRetryPolicy"],
            "throttlePolicy": self.per_second and {"maxReceivesPerSecond": self.per_second},
            "requestPolicy": {"headerContentType": self.content_type},
            "guaranteed": _EMPTY["guaranteed"],
        }


def _shown_retries(phases: Phases) -> dict[str, Any]:
    return {
        "minDelayTarget": int(phases.shortest_s),
        "maxDelayTarget": int(phases.longest_s),
        "numRetries": phases.immediate + phases.shortest + phases.backing_off + phases.longest,
        "numMaxDelayRetries": phases.longest,
        "numNoDelayRetries": phases.immediate,
        "numMinDelayRetries": phases.shortest,
        "backoffFunction": phases.function,
    }


@lru_cache(maxsize=1024)
def of(topic_policy: str, subscription_policy: str) -> Policy:
    """The policy that counts: the subscription's over the topic's over the default."""
    defaults, overridable = _of_topic(topic_policy)
    own = _own(subscription_policy) if overridable else {}
    parts = {**defaults, **own}
    retries = {**DEFAULT_RETRIES, **_object(parts.get("healthyRetryPolicy"))}
    throttle = _object(parts.get("throttlePolicy")).get("maxReceivesPerSecond")
    if throttle is not None and (not isinstance(throttle, int) or throttle < 1):
        raise _refusal(
            f"{_place(own, 'throttlePolicy')}.maxReceivesPerSecond must be greater than or equal"
            " to 1"
        )
    kind = _object(parts.get("requestPolicy")).get("headerContentType", DEFAULT_TYPE)
    if not isinstance(kind, str) or kind.partition(";")[0].strip() not in CONTENT_TYPES:
        raise _refusal("headerContentType is not supported")
    if "\r" in kind or "\n" in kind:
        raise _refusal("headerContentType is not supported")
    return Policy(_phases(retries, _place(own, "healthyRetryPolicy")), kind, throttle)


def _place(own: dict[str, Any], name: str) -> str:
    """Where a part of the policy that counts stands: in the subscription's own, or the topic's."""
    return name if name in own else f"http.default{name[0].upper()}{name[1:]}"


def shown_of_topic(topic_policy: str) -> dict[str, Any]:
    """As a topic's EffectiveDeliveryPolicy."""
    policy, (_, overridable) = of(topic_policy, ""), _of_topic(topic_policy)
    http: dict[str, Any] = {
        "defaultHealthyRetryPolicy": _shown_retries(policy.phases),
        "disableSubscriptionOverrides": not overridable,
        "defaultRequestPolicy": {"headerContentType": policy.content_type},
    }
    if policy.per_second:
        http["defaultThrottlePolicy"] = {"maxReceivesPerSecond": policy.per_second}
    return {"http": http}


def _of_topic(text: str) -> tuple[dict[str, Any], bool]:
    """(defaults by the subscription's names, whether subscriptions may differ)."""
    http = _object(_parsed(text, {"http"}).get("http"))
    _check_names(http, {*_OF_TOPIC, "disableSubscriptionOverrides"})
    found = {_OF_TOPIC[name]: value for name, value in http.items() if name in _OF_TOPIC}
    return found, http.get("disableSubscriptionOverrides") is not True


def _own(text: str) -> dict[str, Any]:
    """A subscription's parts that count."""
    found = _parsed(text, {*_OF_TOPIC.values(), *_EMPTY})
    for name, empty in _EMPTY.items():
        if found.pop(name, empty) is not empty:
            raise _refusal(f"Unexpected JSON member: {name}")
    return found


def _parsed(text: str, names: set[str]) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        parsed = _object(json.loads(text))
    except (ValueError, RecursionError):
        raise _refusal("failed to parse JSON.") from None
    _check_names(parsed, names)
    return parsed


def _check_names(found: dict[str, Any], names: set[str]) -> None:
    for name in found:
        if name not in names:
            raise _refusal(f"Unexpected JSON member: {name}")


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refusal("must be a JSON object")
    return value


def _phases(retries: dict[str, Any], place: str) -> Phases:
    """`http.defaultHealthyRetryPolicy.numRetries must be less than or equal to 100`, and that
    `healthyRetryPolicy.minDelayTarget must be greater than or equal to 1`, are AWS's answers in
    github.com/ballerina-platform/module-ballerinax-aws.sns and
    github.com/awsdocs/amazon-sns-developer-guide/pull/5; the others are told by
    github.com/badmintoncryer/cdk-preflight, rules/sns/pf-sns-delivery-policy."""
    _check_names(retries, set(DEFAULT_RETRIES))
    for name, value in retries.items():
        if name == "backoffFunction":
            continue
        least = 1 if name.endswith("DelayTarget") else 0
        most = DELAY_S_MAX if name.endswith("DelayTarget") else RETRIES_MAX
        if not isinstance(value, int) or value < least:
            raise _refusal(f"{place}.{name} must be greater than or equal to {least}")
        if value > most:
            raise _refusal(f"{place}.{name} must be less than or equal to {most}")
    if retries["backoffFunction"] not in FUNCTIONS:
        name = retries["backoffFunction"]
        raise _refusal(
            f"{place}.backoffFunction the value [{name}] is not a valid backoff function"
        )
    if retries["minDelayTarget"] > retries["maxDelayTarget"]:
        raise _refusal(f"{place}.maxDelayTarget must be greater than or equal to minDelayTarget")
    immediate, shortest, longest = (
        retries[f"num{name}DelayRetries"] for name in ("No", "Min", "Max")
    )
    left = retries["numRetries"] - immediate - shortest - longest
    if left < 0:
        raise _refusal(
            f"{place}.numRetries must be greater than or equal to total of numMinDelayRetries,"
            " numNoDelayRetries and numMaxDelayRetries"
        )
    phases = Phases(
        immediate, shortest, left, longest, float(retries["minDelayTarget"]),
        float(retries["maxDelayTarget"]), retries["backoffFunction"],
    )  # fmt: skip
    waits = (phases.wait_s(n + 1) or 0.0 for n in range(retries["numRetries"]))
    if sum(waits) > TOTAL_S_MAX:
        raise _refusal("the total retry time must not exceed 3600 seconds")
    return phases


def _refusal(reason: str) -> InvalidParameterException:
    return InvalidParameterException.of(f"DeliveryPolicy: {reason}")
