"""The lines of the server's log: an event, and its fields as name=value."""

from __future__ import annotations

import json
import logging

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        for name, value in vars(record).items():
            if name not in _OWN:
                line += f" {name}={json.dumps(value, default=str, ensure_ascii=False)}"
        return line
