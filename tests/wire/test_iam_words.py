"""IAM's own words for names and paths that it does not take."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from ogi import wire
from ogi.errors import AwsError
from ogi.http import Request

NAME = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
PATH = "It must begin and end with / and contain only alphanumeric characters and/or / characters."


def refused(action: str, **members: str) -> Any:
    body = urlencode({"Action": action, "Version": "2010-05-08", **members}).encode()
    headers = [("content-type", "application/x-www-form-urlencoded")]
    with pytest.raises(AwsError) as refusal:
        wire.codec("iam").parse(Request("POST", "/", "", headers, body))
    return refusal.value


@pytest.mark.parametrize(
    ("action", "members", "sentence"),
    [
        ("CreateUser", {"UserName": "{bob}"},
         f"The specified value for userName is invalid. {NAME}"),
        ("GetRole", {"RoleName": "a b"}, f"The specified value for roleName is invalid. {NAME}"),
        ("CreateGroup", {"GroupName": "g/h"},
         f"The specified value for groupName is invalid. {NAME}"),
        ("CreateUser", {"UserName": "bob", "Path": "no/slash"},
         f"The specified value for path is invalid. {PATH}"),
        ("CreateUser", {"UserName": "a b", "Path": "x"},
         f"The specified value for userName is invalid. {NAME}"),
    ],
)  # fmt: skip
def test_a_name_or_path_is_refused_in_iam_s_words(
    action: str, members: dict[str, str], sentence: str
) -> None:
    error = refused(action, **members)
    assert error.message == sentence
    assert error.shape == "ValidationError"


def test_what_is_too_long_is_told_as_everywhere_and_first() -> None:
    error = refused("CreateUser", UserName="a b" * 30)
    assert error.message.startswith("1 validation error detected: Value 'a b")
    assert "length less than or equal to 64" in error.message


@pytest.mark.parametrize("name", ["bob", "a+b=c,d.e@f_g-h", "B0b"])
def test_what_iam_takes_is_taken(name: str) -> None:
    body = f"Action=GetUser&Version=2010-05-08&UserName={name.replace('+', '%2B')}".encode()
    headers = [("content-type", "application/x-www-form-urlencoded")]
    parsed = wire.codec("iam").parse(Request("POST", "/", "", headers, body))
    assert parsed.params == {"UserName": name}
