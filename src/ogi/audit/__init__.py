"""The audit: every request as one event in CloudTrail's record format, in a file and in Logs.

Laws: no secret and no content is ever written down (`elements`); the memory, the files and what
strangers can add to them are bounded; a record is no message: a process that is killed loses the
records of its last moments (`trail.LINGER_S`), and leaves whole lines.
"""

from ogi.audit.trail import KINDS, Trail

__all__ = ["KINDS", "Trail"]
