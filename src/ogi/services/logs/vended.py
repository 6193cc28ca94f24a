"""Vended logs: what other services tell a log group that its owner let them tell.

Who sets up such a delivery must be allowed to; from then on the service delivers by itself:
docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
"""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.logs import events, groups, streams
from ogi.services.logs.errors import ResourceNotFoundException
from ogi.services.logs.records import group_arn
from ogi.services.logs.service import SERVICE
from ogi.storage import Home, Transaction


def _home(call: Call, request: Fields) -> Home:
    return Home(group_arn(call, request["LogGroup"]))


@SERVICE.duty(home=_home)
def take_vended(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Put one message of a service into a group that is there; the stream is made as needed."""
    group = groups.find(tx, call, request["LogGroup"])
    try:
        stream = streams.find(tx, group, request["LogStream"])
    except ResourceNotFoundException:
        streams.create(tx, call, group, request["LogStream"])
        stream = streams.find(tx, group, request["LogStream"])
    event = {"timestamp": int(call.now * 1000), "message": request["Message"]}
    events.accept(tx, call, group, stream, [event])
    return {}
