"""Retries: when a delivery that failed on the other side is tried again, and how often.

The four phases and the back-off functions:
docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

from __future__ import annotations

import math

import msgspec

from ogi.service import Call, Fields

JITTER = 0.1
"""A wait is shortened by at most this part of it, by lot: the total stays under the limit of the
delivery policy, which is hard."""


class Phases(msgspec.Struct, frozen=True):
    """Immediate, at the shortest wait, backing off, at the longest wait."""

    immediate: int
    shortest: int
    backing_off: int
    longest: int
    shortest_s: float
    longest_s: float
    function: str

    def wait_s(self, retry: int) -> float | None:
        """The wait before the retry of this number, the first being 1; None: no more."""
        left = retry - self.immediate
        if left <= 0:
            return 0.0
        if left <= self.shortest:
            return self.shortest_s
        left -= self.shortest
        if left <= self.backing_off:
            return self._backed_off_s(left)
        return self.longest_s if left <= self.backing_off + self.longest else None

    @property
    def total_s(self) -> float:
        """How long it takes until there are no more retries."""
        backing_off = sum(self._backed_off_s(step + 1) for step in range(self.backing_off))
        return self.shortest * self.shortest_s + backing_off + self.longest * self.longest_s

    def _backed_off_s(self, step: int) -> float:
        """The shortest wait "with the first retry attempt in the backoff phase", the longest "with
        the final retry attempt" (the page above), and between them the function's curve."""
        last = self.backing_off - 1
        part = (step - 1) / last if last else 0.0
        low, high = self.shortest_s, self.longest_s
        if self.function == "arithmetic" and last:
            part = (step - 1) * step / (last * (last + 1))
        elif self.function == "geometric":
            part = 2**part - 1
        elif self.function == "exponential":
            base = max(low, 1.0)
            return min(high, low + base * (math.exp(part * math.log1p((high - low) / base)) - 1))
        return low + (high - low) * part


def jittered_s(call: Call, wait_s: float) -> float:
    """ "Amazon SNS applies jittering to delivery retries" (the page above), so that what failed
    together does not come again together."""
    return wait_s * (1 - JITTER * int.from_bytes(call.entropy(4), "big") / 2**32)


def may_pass(report: Fields) -> bool:
    """Whether a refusal is the other side's trouble, which may pass; else it is for good."""
    return report["status"] >= 500 or report["code"] in _THROTTLED


_THROTTLED = frozenset((
    "Throttled", "ThrottlingException", "TooManyRequestsException", "RequestThrottled",
    "KMS.ThrottlingException", "KMSThrottlingException",
))  # fmt: skip
"""By the codes of SQS (throttled itself, or by KMS), of Lambda and of the topic's own key."""

MANAGED = Phases(3, 2, 10, 100_000, 1.0, 20.0, "exponential")
"""SQS, Lambda: 100,015 times over 23 days."""

CUSTOMERS = Phases(0, 2, 10, 38, 10.0, 600.0, "exponential")
"""E-mail, SMS and mobile push: 50 times over 6 hours."""
