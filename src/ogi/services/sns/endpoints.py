"""HTTP/S endpoints: a POST to a subscriber, and what came of it."""

from __future__ import annotations

from urllib.parse import SplitResult

from ogi import outbound
from ogi.errors import AwsError
from ogi.outbound import split
from ogi.settings import Settings

__all__ = ["EndpointFailure", "EndpointRefusal", "post", "refused_literal", "split"]

RETRIED = frozenset((429,))
"""With all of 5xx: docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""


class EndpointFailure(AwsError):
    """The endpoint could not be reached, or asked to be tried again."""

    status = 500


class EndpointRefusal(AwsError):
    """The endpoint said no for good, or must not be reached."""

    status = 400


def refused_literal(settings: Settings, parts: SplitResult) -> bool:
    """Whether a URL names by number what must not be reached."""
    return outbound.refused_literal(settings, settings.sns_networks, parts)


async def post(settings: Settings, url: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """POST once; the status if the endpoint answers 2xx, else raises what came of it."""
    bounds = outbound.Bounds(settings.sns_http_s_max, settings.sns_networks)
    try:
        answer = await outbound.request(settings, "POST", url, headers, body, bounds)
    except outbound.NotAllowed as error:
        raise EndpointRefusal(str(error)) from None
    except outbound.Unreachable as error:
        raise EndpointFailure(f"The endpoint {error}") from error
    status = answer.status
    if 200 <= status < 300:
        return status
    kind = EndpointFailure if status >= 500 or status in RETRIED else EndpointRefusal
    raise kind(f"The endpoint answered {status}")
