"""Publishes to a topic with very many filtered subscriptions, of which one matches.

Run: python -m benches.filtered [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from benches.fanout import topic_with
from benches.places import Effort, Place, Row, main, text

FILTERS = 10_000
FILTERS_OF_QUICK = 1_000
CONNECTIONS = 16
SHARE_GOAL = 0.8
"""Of the rate with one filter: a publish must not cost more for those who do not get it."""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    filters = FILTERS_OF_QUICK if effort.runs == 1 else FILTERS
    for what, policy in (("filters", _texts), ("prefixes and ranges", _patterns)):
        yield await _measured(place, effort, filters, what, policy)


async def _measured(
    place: Place, effort: Effort, filters: int, what: str, policy: Callable[[int], dict[str, Any]]
) -> Row:
    rates, remarks = [], []
    for count in (1, filters):
        topic, (url,) = await topic_with(place, 1, raw=True)
        sns = place.client("sns")
        subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        sns.set_subscription_attributes(
            SubscriptionArn=subscribed[0]["SubscriptionArn"], AttributeName="FilterPolicy",
            AttributeValue=json.dumps(policy(0)),
        )  # fmt: skip
        arn = place.arn(url)
        requests = [
            place.sns(
                "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}-{n}",
                **{"Attributes.entry.1.key": "FilterPolicy",
                   "Attributes.entry.1.value": json.dumps(policy(n))},
            )
            for n in range(1, count)
        ]  # fmt: skip
        await place.once(requests, CONNECTIONS)
        request = place.sns(
            "Publish", TopicArn=topic, Message=text(1024), **_attribute(1, "kind", "order"),
            **_attribute(2, "to", "q0/in"), **_attribute(3, "at", "0.5", "Number"),
        )  # fmt: skip
        rate, remark = await place.rate([request], CONNECTIONS, effort)
        rates.append(rate)
        remarks.append(remark)
    return Row(
        f"publish, 1 of {filters:,} {what} matches", rates[1], "publishes/s",
        round(rates[0] * SHARE_GOAL),
        remark=f"{remarks[1]}; with one filter {rates[0]:,.0f}/s, {remarks[0]}",
    )  # fmt: skip


def _texts(n: int) -> dict[str, Any]:
    """What all ask for, and what one does."""
    return {"kind": ["order"], "to": [f"q{n}/in"]}


def _patterns(n: int) -> dict[str, Any]:
    if n % 2:
        return {"at": [{"numeric": [">=", n, "<", n + 1]}]}
    return {"kind": ["order"], "to": [{"prefix": f"q{n}/"}]}


def _attribute(number: int, name: str, value: str, kind: str = "String") -> dict[str, str]:
    entry = f"MessageAttributes.entry.{number}"
    return {
        f"{entry}.Name": name,
        f"{entry}.Value.DataType": kind,
        f"{entry}.Value.StringValue": value,
    }


if __name__ == "__main__":
    main(measure, __doc__)
