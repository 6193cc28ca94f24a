"""The service itself, for the modules that register its operations and duties."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.sns import certificates, topics
from ogi.services.sns.errors import AuthorizationErrorException

REMARK = """\
SMS and mobile push have no carrier here: messages to phone numbers and platform endpoints go to a
local outbox, which `ogi outbox` shows ([operating](operating.md#the-outbox)). Mails go out by the
SMTP server that `--smtp-host` names, else to the outbox as well. Reports of SMS usage and the
platform BAIDU are refused. Firehose and X-Ray are not here: what names them (a protocol, feedback
attributes, destinations of findings, active tracing) is refused. A publisher's trace header goes
through a topic to queues (AWSTraceHeader), functions and HTTP/S endpoints, as it came: nothing here
samples. [Decision 16](decisions/0016-what-topics-keep-and-tell.md) lists the managed data
identifiers; others are refused."""
"""For the coverage page."""

SERVICE = Service(
    "sns",
    principal="sns.amazonaws.com",
    denied=AuthorizationErrorException,
    policy_of=topics.policy_of,
    tags_of=topics.tags_of,
    prepare=certificates.prepare,
    rewrap=certificates.rewrap,
)
