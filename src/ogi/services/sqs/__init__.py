"""SQS: queues, their messages, and what happens to these with time."""

from ogi.services.sqs import api, api_queues, api_redrive, burials, moves, tending
from ogi.services.sqs.service import SERVICE

__all__ = ["SERVICE", "api", "api_queues", "api_redrive", "burials", "moves", "tending"]
