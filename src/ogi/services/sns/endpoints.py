"""HTTP/S endpoints: a POST to a subscriber, and what came of it."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from ogi import outbound
from ogi.errors import AwsError
from ogi.outbound import split
from ogi.services.sns import challenges
from ogi.services.sns.errors import AuthorizationErrorException, InvalidParameterException
from ogi.settings import Settings

__all__ = [
    "EndpointFailure", "EndpointRefusal", "internal", "post", "reach", "refused_literal", "split",
]  # fmt: skip

RETRIED = frozenset((429,))
"""With all of 5xx; all others are for good: "Amazon SNS considers all 5XX errors and 429 (too many
requests sent) errors as retryable" (docs: sns-http-https-endpoint-as-subscriber)."""


class EndpointFailure(AwsError):
    """The endpoint could not be reached, or asked to be tried again."""

    status = 500


class EndpointRefusal(AwsError):
    """The endpoint said no for good, or must not be reached."""

    status = 400


def refused_literal(settings: Settings, parts: SplitResult) -> bool:
    """Whether a URL names by number what must not be reached."""
    return outbound.refused_literal(settings, settings.sns_networks, parts)


async def reach(settings: Settings, url: str) -> None:
    """Raises what Subscribe says of an endpoint where nobody answers.

    "If you're subscribing an HTTP endpoint that isn't publicly accessible to an SNS topic, then you
    receive the following error: ... Invalid parameter: Unreachable Endpoint"
    (repost.aws/knowledge-center/sns-topic-https-endpoints-notification). A machine that sees
    nothing of the world cannot say so of anybody there: the endpoint is asked all the same.
    """
    try:
        await outbound.reach(settings, url, _bounds(settings))
    except outbound.NotAllowed:
        raise internal() from None
    except outbound.CutOff:
        return
    except outbound.Unreachable:
        raise InvalidParameterException.of("Unreachable Endpoint") from None


def internal() -> AuthorizationErrorException:
    """Of an address that must not be reached; several accounts of AWS's answers agree: 403,
    `AuthorizationError: Not authorized to subscribe internal endpoints`."""
    return AuthorizationErrorException("Not authorized to subscribe internal endpoints")


async def post(
    settings: Settings, url: str, headers: list[tuple[str, str]], body: bytes, nonce: str
) -> int:
    """POST once, and again with the URL's name and password to an endpoint that asks for them; the
    status if it answers 2xx, else raises what came of it. `nonce` is new for each call."""
    bounds = _bounds(settings)
    parts = urlsplit(url)
    given = challenges.credentials(parts)
    try:
        answer = await outbound.request(settings, "POST", url, headers, body, bounds)
        if answer.status == 401 and given is not None:
            proof = challenges.answer(
                answer.challenges, *given, "POST", outbound.target_of(parts), nonce
            )
            if proof is not None:
                headers = [*headers, ("Authorization", proof)]
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


def _bounds(settings: Settings) -> outbound.Bounds:
    return outbound.Bounds(
        settings.sns_http_s_max, settings.sns_networks, authorities=settings.sns_authorities
    )
