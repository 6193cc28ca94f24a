"""SNS: topics, who subscribes to them, and the fan-out of what is published."""

from ogi.services.sns import (
    api,
    api_subscriptions,
    api_topics,
    certificates,
    confirmations,
    dead_letters,
    fanout,
    groups,
    postings,
    statuses,
)
from ogi.services.sns.service import SERVICE

__all__ = [
    "SERVICE",
    "api",
    "api_subscriptions",
    "api_topics",
    "certificates",
    "confirmations",
    "dead_letters",
    "fanout",
    "groups",
    "postings",
    "statuses",
]
