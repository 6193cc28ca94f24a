"""SQS's actions on queues, in AWS's words: requests in, results out.

API reference: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
"""

from __future__ import annotations

import binascii

import msgspec

from ogi.access import trusts
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sqs import (
    attributes,
    messages,
    moves,
    permissions,
    policies,
    queues,
    redrive,
    tending,
)
from ogi.services.sqs import layout as layouts
from ogi.services.sqs import tags as tagging
from ogi.services.sqs.attributes import Attributes
from ogi.services.sqs.errors import (
    AccessDenied,
    InvalidAttributeName,
    MissingParameter,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
)
from ogi.services.sqs.layout import LASTING
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.pages import limit_of, start_of
from ogi.services.sqs.permissions import check_owner
from ogi.services.sqs.queues import Deleted, Queue
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Reader, Transaction, control


def _on_name(tx: Reader, call: Call, request: Fields) -> str:
    owner = request.get("QueueOwnerAWSAccountId") or call.account
    return queues.arn(owner, call.region, request["QueueName"])


def _on_all(tx: Reader, call: Call, request: Fields) -> str:
    return queues.arn(call.account, call.region, "")


@SERVICE.operation(on=_on_name, keys=tagging.condition_keys)
def create_queue(tx: Transaction, call: Call, request: Fields) -> Fields:
    name: str = request["QueueName"]
    check_owner(call, call.account)
    wanted = policies.fastened(tx, request.get("Attributes") or {})
    tags: dict[str, str] = request.get("tags") or {}
    found = queues.TABLE.get(tx, call.home, name)
    if found is not None:
        difference = attributes.first_difference(found.attributes, wanted)
        if difference is None and tags and tags != found.tags:
            # As users report: Bogdanp/dramatiq_sqs#13, amazon-sqs-java-temporary-queues-client#70.
            difference = "tags"
        if difference is not None:
            raise QueueNameExists.by(difference)
        return {"QueueUrl": queues.url(call, call.account, name)}
    if tags:
        arn = queues.arn(call.account, call.region, name)
        keys = {**call.context, **tagging.condition_keys(tx, call, request)}
        call.ports.authorise(tx, call, SERVICE, ("sqs:TagQueue",), (arn,), keys)
        tagging.check(tags)
    made = attributes.change(Attributes(), wanted, creating=True)
    queues.check_name(name, fifo=made.fifo)
    now_ms = messages.milliseconds(call)
    deleted = queues.DELETED.get(tx, call.home, name)
    if deleted is not None:
        if call.now < deleted.at_s + call.ports.settings.sqs_pause_s:
            raise QueueDeletedRecently
        queues.DELETED.delete(tx, call.home, name)
    epoch = max(now_ms, deleted.epoch + 1 if deleted else 0)
    now_s = int(call.now)
    queue = Queue(
        name, call.account, call.region, call.arn("sqs", name), now_s, now_s, epoch, made, tags
    )
    redrive.check(tx, queue, made, wanted)
    redrive.link(tx, queue, made)
    queues.save(tx, queue)
    return {"QueueUrl": queues.url(call, call.account, name)}


@SERVICE.operation(open=True, reads=True)
def get_queue_url(tx: Reader, call: Call, request: Fields) -> Fields:
    """Authorised here: who may not ask is told that there is no queue, as AWS does it (Pocket/
    data-flows#97, spring-attic/spring-cloud-aws#417 and fluent/fluent-plugin-s3#342 on GitHub)."""
    try:
        resources = (_on_name(tx, call, request),)
        call.ports.authorise(tx, call, SERVICE, ("sqs:GetQueueUrl",), resources, call.context)
    except AccessDenied as denied:
        raise _unknown(call, denied) from denied.__cause__
    account = request.get("QueueOwnerAWSAccountId") or call.account
    if queues.TABLE.get(tx, control(account, call.region), request["QueueName"]) is None:
        raise QueueDoesNotExist
    return {"QueueUrl": queues.url(call, account, request["QueueName"])}


def _unknown(call: Call, denied: AccessDenied) -> AwsError:
    if call.principal.kind == "anonymous":
        return denied  # Who lacks a signature is told that.
    return QueueDoesNotExist("The specified queue does not exist or you do not have access to it.")


@SERVICE.operation(on=_on_all, reads=True)
def list_queues(tx: Reader, call: Call, request: Fields) -> Fields:
    prefix: str = request.get("QueueNamePrefix") or ""
    limit = limit_of(request)
    names: list[str] = []
    start = start_of(request) or prefix.encode()
    rows = queues.TABLE.scan(tx, call.home, limit=limit + 1, start=start)
    for rest, queue in rows:
        if not queue.name.startswith(prefix):
            break
        names.append(queue.name)
        last = rest
    result: Fields = {}
    if len(names) > limit:
        # Only who asks for pages gets a token; API reference, ListQueues.
        if request.get("MaxResults"):
            result["NextToken"] = binascii.b2a_base64(last, newline=False).decode()
        names.pop()
    if names:
        result["QueueUrls"] = [queues.url(call, call.account, name) for name in names]
    return result


def _homes_of_queue(call: Call, request: Fields) -> tuple[Home, Home]:
    return queues.home_of_record(call, request), queues.home_of_messages(call, request)


@SERVICE.operation(on=queues.on_queue, home=_homes_of_queue)
def delete_queue(tx: Transaction, call: Call, request: Fields) -> Fields:
    """What is remembered beyond purges goes at once, so that a queue of the same name, where the
    setting lets it be made at once, does not inherit it; the messages are swept later."""
    queue = _own(tx, call, request)
    home = control(queue.account, queue.region)
    redrive.link(tx, queue, None)
    moves.ACTIVE.delete(tx, home, queue.arn)
    queues.TABLE.delete(tx, home, queue.name)
    queues.DELETED.put(tx, Deleted(call.now, queue.epoch), home, queue.name)
    tending.post_sweep(tx, call, queue, queue.epoch)
    tending.sweep_now(tx, call, queue, LASTING)
    tx.ring(layouts.of(queue.arn, queue.epoch).bell)
    return {}


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_record)
def purge_queue(tx: Transaction, call: Call, request: Fields) -> Fields:
    """A new epoch: what was sent before is gone at once and swept later."""
    queue = queues.find(tx, call, request["QueueUrl"])
    if call.now < queue.purged_s + call.ports.settings.sqs_pause_s:
        raise PurgeQueueInProgress.on(queue.name)
    epoch = max(queue.epoch + 1, messages.milliseconds(call))
    purged = msgspec.structs.replace(queue, epoch=epoch, purged_s=int(call.now))
    queues.save(tx, purged)
    tending.post_sweep(tx, call, queue, queue.epoch)
    if queue.attributes.fifo:
        tending.post(tx, call, purged, "tend")
    return {}


@SERVICE.operation(on=queues.on_queue, reads=True)
def get_queue_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    queue = queues.find(tx, call, request["QueueUrl"])
    names: list[str] = request.get("AttributeNames") or []
    for name in names:
        if name not in attributes.READABLE:
            raise InvalidAttributeName.of(name)
        if name in attributes.FIFO_ONLY and not queue.attributes.fifo:
            # As the service answers, say AWS's maintainers: aws/aws-sdk-ruby#1350 on GitHub.
            raise InvalidAttributeName.of(name)
    if not names:
        return {}
    found = {
        "QueueArn": queue.arn,
        "CreatedTimestamp": str(queue.created_s),
        "LastModifiedTimestamp": str(queue.modified_s),
        **attributes.texts(queue.attributes),
    }
    if "Policy" in found:
        found["Policy"] = trusts.unfastened(tx, found["Policy"])
    if "All" in names or attributes.COUNTS.intersection(names):
        ready, flight, delayed = Ledger(tx, queue).counts(tx, messages.milliseconds(call))
        found["ApproximateNumberOfMessages"] = str(ready)
        found["ApproximateNumberOfMessagesNotVisible"] = str(flight)
        found["ApproximateNumberOfMessagesDelayed"] = str(delayed)
    if "All" not in names:
        found = {name: text for name, text in found.items() if name in names}
    return {"Attributes": found} if found else {}


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_record)
def set_queue_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    if not request["Attributes"]:
        # As if there were none: aws-controllers-k8s/community#2139 on GitHub.
        raise MissingParameter.of("Attribute.Name")
    texts = policies.fastened(tx, request["Attributes"])
    changed = attributes.change(queue.attributes, texts, creating=False)
    redrive.check(tx, queue, changed, texts)
    redrive.link(tx, queue, changed)
    queues.save(tx, msgspec.structs.replace(queue, attributes=changed, modified_s=int(call.now)))
    if changed.retention_s != queue.attributes.retention_s:
        tending.post(tx, call, queue, "expire")
    if changed.fifo and changed.delay_s != queue.attributes.delay_s:
        tending.post(tx, call, queue, "tend")
    return {}


@SERVICE.operation(on=queues.on_queue, keys=tagging.condition_keys, home=queues.home_of_record)
def tag_queue(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    tagging.check_given(request, "Tags")
    tagging.check(request["Tags"])
    queues.save(tx, msgspec.structs.replace(queue, tags={**queue.tags, **request["Tags"]}))
    return {}


@SERVICE.operation(on=queues.on_queue, keys=tagging.condition_keys, home=queues.home_of_record)
def untag_queue(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    tagging.check_given(request, "TagKeys")
    gone = set(request["TagKeys"])
    kept = {key: value for key, value in queue.tags.items() if key not in gone}
    queues.save(tx, msgspec.structs.replace(queue, tags=kept))
    return {}


@SERVICE.operation(on=queues.on_queue, reads=True)
def list_queue_tags(tx: Reader, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    return {"Tags": queue.tags} if queue.tags else {}


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_record)
def add_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    policy = permissions.add(queue, request["Label"], request["AWSAccountIds"], request["Actions"])
    _save_policy(tx, call, queue, policy)
    return {}


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_record)
def remove_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = _own(tx, call, request)
    _save_policy(tx, call, queue, permissions.remove(queue, request["Label"]))
    return {}


def _save_policy(tx: Transaction, call: Call, queue: Queue, policy: str) -> None:
    changed = msgspec.structs.replace(queue.attributes, policy=policy)
    queues.save(tx, msgspec.structs.replace(queue, attributes=changed, modified_s=int(call.now)))


def _own(tx: Reader, call: Call, request: Fields) -> Queue:
    """The queue, for actions that only its owner's account may use."""
    queue = queues.find(tx, call, request["QueueUrl"])
    check_owner(call, queue.account)
    return queue
