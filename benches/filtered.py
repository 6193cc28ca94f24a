"""Publishes to a topic with very many filtered subscriptions, of which one matches.

Run: python -m benches.filtered [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from benches.fanout import topic_with
from benches.places import Effort, Place, Row, main, text

FILTERS = 10_000
FILTERS_OF_QUICK = 1_000
CONNECTIONS = 16
SHARE_GOAL = 0.8
"""Of the rate with one filter: a publish must not cost more for those who do not get it."""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    filters = FILTERS_OF_QUICK if effort.runs == 1 else FILTERS
    rates, remarks = [], []
    for count in (1, filters):
        topic, (url,) = await topic_with(place, 1, raw=True)
        sns = place.client("sns")
        subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        sns.set_subscription_attributes(
            SubscriptionArn=subscribed[0]["SubscriptionArn"], AttributeName="FilterPolicy",
            AttributeValue=_policy(0),
        )  # fmt: skip
        arn = place.arn(url)
        requests = [
            place.sns(
                "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}-{n}",
                **{"Attributes.entry.1.key": "FilterPolicy",
                   "Attributes.entry.1.value": _policy(n)},
            )
            for n in range(1, count)
        ]  # fmt: skip
        await place.once(requests, CONNECTIONS)
        request = place.sns(
            "Publish", TopicArn=topic, Message=text(1024), **_attribute(1, "kind", "order"),
            **_attribute(2, "to", "0"),
        )  # fmt: skip
        rate, remark = await place.rate([request], CONNECTIONS, effort)
        rates.append(rate)
        remarks.append(remark)
    yield Row(
        f"publish, 1 of {filters:,} filters matches", rates[1], "publishes/s",
        round(rates[0] * SHARE_GOAL),
        remark=f"{remarks[1]}; with one filter {rates[0]:,.0f}/s, {remarks[0]}",
    )  # fmt: skip


def _policy(n: int) -> str:
    """What all ask for, and what one does."""
    return json.dumps({"kind": ["order"], "to": [str(n)]})


def _attribute(number: int, name: str, value: str) -> dict[str, str]:
    entry = f"MessageAttributes.entry.{number}"
    return {
        f"{entry}.Name": name,
        f"{entry}.Value.DataType": "String",
        f"{entry}.Value.StringValue": value,
    }


if __name__ == "__main__":
    main(measure, __doc__)
