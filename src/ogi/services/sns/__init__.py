"""SNS: topics, who subscribes to them, and the fan-out of what is published."""

from ogi.services.sns import (
    api,
    api_protections,
    api_subscriptions,
    api_topics,
    archives,
    certificates,
    confirmations,
    dead_letters,
    departures,
    fanout,
    groups,
    mails,
    outbox,
    outbox_page,
    postings,
    replays,
    statuses,
)
from ogi.services.sns.service import SERVICE

__all__ = [
    "SERVICE",
    "api",
    "api_protections",
    "api_subscriptions",
    "api_topics",
    "archives",
    "certificates",
    "confirmations",
    "dead_letters",
    "departures",
    "fanout",
    "groups",
    "mails",
    "outbox",
    "outbox_page",
    "postings",
    "replays",
    "statuses",
]
