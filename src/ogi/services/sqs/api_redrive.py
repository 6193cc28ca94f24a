"""SQS's actions on dead-letter queues, in AWS's words: sources, and message move tasks."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import msgspec

from ogi.service import Call, Fields
from ogi.services.sqs import moves, queues, redrive
from ogi.services.sqs.errors import InvalidParameterValue, ResourceNotFoundException
from ogi.services.sqs.pages import limit_of, start_of
from ogi.services.sqs.permissions import check_owner
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Reader, Transaction, control

_NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."


@SERVICE.operation(on=queues.on_queue, reads=True)
def list_dead_letter_source_queues(tx: Reader, call: Call, request: Fields) -> Fields:
    queue = queues.find(tx, call, request["QueueUrl"])
    limit, start = limit_of(request), start_of(request)
    rows = redrive.SOURCES.scan(
        tx, control(queue.account, queue.region), queue.arn, limit=limit + 1, start=start
    )
    result: Fields = {
        "queueUrls": [queues.url(call, queue.account, row.name) for _, row in rows[:limit]]
    }
    if len(rows) > limit and request.get("MaxResults"):
        result["NextToken"] = binascii.b2a_base64(rows[limit][0], newline=False).decode()
    return result


def _on_source(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["SourceArn"]
    return arn


def _homes_of_source(call: Call, request: Fields) -> tuple[Home, Home]:
    return moves.homes(request["SourceArn"])


def _source(tx: Reader, call: Call, arn: str) -> Queue:
    queue = queues.find_by_arn(tx, arn)
    if queue is None:
        raise ResourceNotFoundException(_NO_SOURCE)
    check_owner(call, queue.account)
    return queue


@SERVICE.operation(
    on=_on_source,
    # Developer guide, 'dead-letter queue redrive permissions'.
    action=("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    home=_homes_of_source,
)
def start_message_move_task(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _source(tx, call, request["SourceArn"])
    home = control(queue.account, queue.region)
    if not redrive.SOURCES.scan(tx, home, queue.arn, limit=1):
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    destination: str = request.get("DestinationArn") or ""
    if destination:
        target = queues.find_by_arn(tx, destination)
        if target is None:
            raise ResourceNotFoundException(
                "The resource that you specified for the DestinationArn parameter doesn't exist."
            )
        if target.arn == queue.arn or target.attributes.fifo != queue.attributes.fifo:
            raise InvalidParameterValue.of(
                "DestinationArn", destination, "It must be another queue of the source's type."
            )
        _authorise_send(tx, call, [destination])
    rate: int = request.get("MaxNumberOfMessagesPerSecond") or 0
    if not 0 <= rate <= moves.RATE_MAX or request.get("MaxNumberOfMessagesPerSecond") == 0:
        raise InvalidParameterValue.of(
            "MaxNumberOfMessagesPerSecond", request["MaxNumberOfMessagesPerSecond"],
            f"Must be between 1 and {moves.RATE_MAX}, if provided.",
        )  # fmt: skip
    for task in moves.latest(tx, queue.arn, moves.TASKS_MAX):
        if task.status in (moves.RUNNING, moves.CANCELLING):
            raise InvalidParameterValue(
                "There is already a task running. Only one active task is allowed for a source "
                "queue arn at a given time."
            )
    return {"TaskHandle": moves.handle(moves.begin(tx, call, queue, destination, rate))}


def _authorise_send(tx: Reader, call: Call, arns: Sequence[str]) -> None:
    call.ports.authorise(tx, call, SERVICE, ("sqs:SendMessage",), arns, call.context)


def _on_task(tx: Reader, call: Call, request: Fields) -> str:
    return moves.parse_handle(request["TaskHandle"])[0]


def _home_of_task(call: Call, request: Fields) -> Home:
    return Home(moves.parse_handle(request["TaskHandle"])[0])


@SERVICE.operation(on=_on_task, home=_home_of_task)
def cancel_message_move_task(tx: Transaction, call: Call, request: Fields) -> Fields:
    source_arn, id = moves.parse_handle(request["TaskHandle"])
    _source(tx, call, source_arn)
    task = moves.find(tx, source_arn, id)
    if task.status != moves.RUNNING:
        raise ResourceNotFoundException("Task does not exist.")
    moves.save(tx, msgspec.structs.replace(task, status=moves.CANCELLING))
    return {"ApproximateNumberOfMessagesMoved": task.moved}


@SERVICE.operation(on=_on_source, reads=True)
def list_message_move_tasks(tx: Reader, call: Call, request: Fields) -> Fields:
    queue = _source(tx, call, request["SourceArn"])
    limit: int = request.get("MaxResults", 1)
    if not 1 <= limit <= moves.TASKS_MAX:
        raise InvalidParameterValue.of("MaxResults", limit, "Must be between 1 and 10.")
    return {"Results": [_entry(task) for task in moves.latest(tx, queue.arn, limit)]}


def _entry(task: moves.Task) -> Fields:
    entry: Fields = {
        "Status": task.status,
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
    }
    if task.status == moves.RUNNING:
        entry["TaskHandle"] = moves.handle(task)
    if task.destination_arn:
        entry["DestinationArn"] = task.destination_arn
    if task.rate:
        entry["MaxNumberOfMessagesPerSecond"] = task.rate
    if task.failure:
        entry["FailureReason"] = task.failure
    return entry
