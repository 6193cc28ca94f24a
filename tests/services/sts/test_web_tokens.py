"""Whatever a stranger sends as a token, the answer is one of AWS's errors."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access.providers import Provider
from ogi.errors import AwsError
from ogi.services.sts import web_tokens
from ogi.services.sts.limits import check_tags

PROVIDER = Provider("111122223333", "issuer.example", 0.0, client_ids=("client",))
NOW = 1_700_000_000.0

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20)
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner,
                                                                        max_size=3), max_leaves=8,
)  # fmt: skip
claims = st.dictionaries(
    st.sampled_from(
        ["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "amr", web_tokens.TAGS,
         web_tokens.SOURCE_IDENTITY, f"{web_tokens.TAGS}/principal_tags/a",
         f"{web_tokens.TAGS}/transitive_tag_keys"]
    ),
    anything | st.just("client") | st.just(int(NOW)) | st.fixed_dictionaries(
        {"principal_tags": anything, "transitive_tag_keys": anything}
    ),
)  # fmt: skip
headers = st.dictionaries(st.sampled_from(["alg", "kid", "crit", "typ"]), anything) | st.just(
    {"alg": "RS256", "kid": "k"}
)
keys = st.lists(
    st.dictionaries(
        st.sampled_from(["kty", "kid", "n", "e", "x", "y", "crv", "use", "alg", "k"]),
        anything | st.sampled_from(["RSA", "EC", "AQAB", "k", "P-256", "sig", "A" * 344]),
    ),
    max_size=3,
)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(st.text(max_size=200) | st.text(alphabet="abcdeyJ.-_=", max_size=200))
def test_any_text_is_refused_in_aws_s_words(text: str) -> None:
    with pytest.raises(AwsError):
        web_tokens.read(text)


@settings(max_examples=400, deadline=None)
@given(headers, claims, st.text(alphabet="AQ-_=", max_size=40), keys)
def test_any_json_is_read_or_refused_and_never_believed(
    header: Any, said: Any, signature: str, published: Any
) -> None:
    try:
        token = web_tokens.read(f"{_part(header)}.{_part(said)}.{signature}")
        web_tokens.check_times(token, NOW)
        subject = web_tokens.subject_of(token, PROVIDER)
        check_tags(subject.tags)
    except AwsError:
        return
    assert isinstance(subject.subject, str) and subject.audience == "client"
    with pytest.raises(AwsError):
        token.prove(published)


@settings(max_examples=200, deadline=None)
@given(keys, st.sampled_from(web_tokens.ALGORITHMS))
def test_no_made_up_key_proves_a_token(published: Any, algorithm: str) -> None:
    said = {"iss": "https://issuer.example", "sub": "s", "aud": "client"}
    token = web_tokens.read(f"{_part({'alg': algorithm, 'kid': 'k'})}.{_part(said)}.AAAA")
    with pytest.raises(AwsError):
        token.prove([{**key, "kid": "k"} for key in published])
