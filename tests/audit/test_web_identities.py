"""Web identities in the trail: who became a role by a token, and what its sessions say of that.

https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ogi.access.authorise import authorise
from ogi.audit import Trail, identities
from ogi.http import Request
from ogi.service import ANONYMOUS
from tests.issuer import CLIENT, Issuer
from tests.services.sts.test_sts import ROLE, identified
from tests.services.sts.test_web_identity import provider, role, trust
from tests.world import ACCOUNT, World


async def test_a_token_s_subject_is_who_asked_and_its_session_names_the_provider(
    tmp_path: Path,
) -> None:
    world = World("iam", "sts", authorise=authorise, settings={
        "data": tmp_path, "oidc_http": True, "account": "999988887777"})  # fmt: skip
    made = Trail(world.ports.settings, world.ports.clock, world.ports.services, world.ports.random)
    world.ports = replace(world.ports, audit=made)
    made.attach(world.ports)
    issuer = Issuer()
    try:
        arn = await provider(world, issuer)
        await role(world, trust(issuer))
        token = issuer.token(world.clock.now())
        asked: dict[str, Any] = {
            "RoleArn": ROLE, "RoleSessionName": "worker", "WebIdentityToken": token
        }  # fmt: skip
        call = world.caller(ANONYMOUS, "999988887777")
        got = await world.call_as(call, "sts", "AssumeRoleWithWebIdentity", **asked)
    finally:
        issuer.close()
    operation = world.ports.services["sts"].operation_named("AssumeRoleWithWebIdentity")
    made.answered(Request("POST", "/", "", [], b""), None, call, operation, asked, got)
    await made.close()
    text = (tmp_path / "audit" / "events.jsonl").read_text()
    (event,) = [
        e for line in text.splitlines()
        if (e := json.loads(line))["eventName"] == "AssumeRoleWithWebIdentity"
        and e["userIdentity"]["type"] == "WebIdentityUser"
    ]  # fmt: skip
    assert event["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{arn}:{CLIENT}:user-0001",
        "userName": "user-0001",
        "identityProvider": arn,
    }
    assert event["recipientAccountId"] == ACCOUNT, "the role's account, not the server's own"
    assert token not in text
    assert got["Credentials"]["SecretAccessKey"] not in text
    assert got["Credentials"]["SessionToken"] not in text
    session = await identified(
        world, got["Credentials"]["AccessKeyId"], got["Credentials"]["SessionToken"]
    )
    shown = identities.of(session.principal, session.context, "ASIA", "")
    federation = shown["sessionContext"]["webIdFederationData"]
    assert federation == {"federatedProvider": arn, "attributes": {}}
