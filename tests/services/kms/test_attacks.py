"""Hostile input and every order of rotations: what was encrypted once opens, nothing else does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ogi.errors import AwsError
from ogi.sealing import canonical
from ogi.services.kms.ciphertexts import CONTEXT_BYTES_MAX
from ogi.services.kms.policies import POLICY_BYTES_MAX
from tests.services.kms.test_imports import bring
from tests.world import World

DAY_S = 86_400


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def refused(awaitable: Any) -> str:
    with pytest.raises(AwsError) as caught:
        await awaitable
    return caught.value.shape


class Rotations(RuleBasedStateMachine):
    """One key of each origin through rotations of every kind and renewals of the root key."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World("kms")
        self.blobs: list[tuple[str, bytes, bytes]] = []
        self.on_demand = 0
        self.imports = 0

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def call(self, operation: str, **request: Any) -> Any:
        return self.run(self.world.call("kms", operation, **request))

    @initialize()
    def make(self) -> None:
        self.own = self.call("CreateKey")["KeyMetadata"]["KeyId"]
        self.imported = self.call("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        self.run(bring(self.world, self.imported, os.urandom(32)))
        self.call("EnableKeyRotation", KeyId=self.own, RotationPeriodInDays=90)

    @rule(which=st.sampled_from(["own", "imported", "alias/aws/s3"]), plain=st.binary(min_size=1))
    def encrypt(self, which: str, plain: bytes) -> None:
        id = getattr(self, which, which)
        blob = self.call("Encrypt", KeyId=id, Plaintext=plain)["CiphertextBlob"]
        self.blobs.append((id, plain, blob))

    @precondition(lambda self: self.on_demand < 20)
    @rule()
    def rotate_on_demand(self) -> None:
        self.on_demand += 1
        self.call("RotateKeyOnDemand", KeyId=self.own)

    @rule()
    def rotate_by_time(self) -> None:
        self.world.clock.advance(90 * DAY_S)
        self.run(self.world.deliver())

    @precondition(lambda self: self.imports < 3)
    @rule()
    def rotate_the_imported(self) -> None:
        self.imports += 1
        material = os.urandom(32)
        self.run(bring(self.world, self.imported, material, ImportType="NEW_KEY_MATERIAL"))
        self.call("RotateKeyOnDemand", KeyId=self.imported)

    @precondition(lambda self: self.world.ports.vault.generation < 5)
    @rule(settled=st.booleans())
    def renew_the_root(self, settled: bool) -> None:
        self.world.ports.vault.renew(os.urandom(32))
        rewrap = self.world.ports.services["kms"].rewrap
        if settled and rewrap is not None:
            self.run(rewrap(self.world.ports))

    @rule(changed=st.integers(min_value=0, max_value=10_000))
    def tamper(self, changed: int) -> None:
        for id, _, blob in self.blobs[-1:]:
            bent = bytearray(blob)
            bent[changed // 8 % len(blob)] ^= 1 << (changed % 8)
            shape = self.run(
                refused(self.world.call("kms", "Decrypt", KeyId=id, CiphertextBlob=bytes(bent)))
            )
            assert shape in ("InvalidCiphertextException", "IncorrectKeyException")

    @invariant()
    def everything_opens(self) -> None:
        for _, plain, blob in self.blobs:
            assert self.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == plain


TestRotations = Rotations.TestCase
TestRotations.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


CONTEXTS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)


@given(one=CONTEXTS, other=CONTEXTS)
def test_two_encryption_contexts_never_look_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


async def test_an_encryption_context_of_hostile_size_is_refused(world: World) -> None:
    id = (await world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"]
    most = {"k": "v" * (CONTEXT_BYTES_MAX - 1)}
    many = {f"{n:04}": "" for n in range(CONTEXT_BYTES_MAX // 4)}
    wide = {"é" * (CONTEXT_BYTES_MAX // 2): ""}
    for fits in (most, many, wide):
        made = await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x", EncryptionContext=fits)
        blob = made["CiphertextBlob"]
        await world.call("kms", "Decrypt", CiphertextBlob=blob, EncryptionContext=fits)
        for operation, more in (
            ("Encrypt", {"Plaintext": b"x"}), ("GenerateDataKey", {"KeySpec": "AES_256"}),
        ):  # fmt: skip
            asked = {"KeyId": id, "EncryptionContext": {**fits, "+": ""}, **more}
            assert await refused(world.call("kms", operation, **asked)) == "LimitExceededException"


@pytest.mark.parametrize("size", [0, 1, 27, 54, 55, 70, 71, 6144, 1_000_000])
async def test_blobs_of_every_size_that_are_none_are_refused(world: World, size: int) -> None:
    for start in (b"", b"\x01"):
        blob = (start + os.urandom(size))[:size]
        shape = await refused(world.call("kms", "Decrypt", CiphertextBlob=blob))
        assert shape in ("InvalidCiphertextException", "AccessDeniedException")


async def test_a_blob_of_another_world_or_a_version_that_never_was_is_refused(
    world: World,
) -> None:
    id = (await world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"]
    blob = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x"))["CiphertextBlob"]
    managed = await world.call("kms", "Encrypt", KeyId="alias/aws/s3", Plaintext=b"x")
    for each in (blob, managed["CiphertextBlob"]):
        for version in (1, 2, 255, 0xFFFFFFFF):
            bent = each[:23] + version.to_bytes(4, "big") + each[27:]
            shape = await refused(world.call("kms", "Decrypt", CiphertextBlob=bent))
            assert shape == "InvalidCiphertextException"
    elsewhere = World("kms")
    elsewhere.ports.vault.renew(b"o" * 32)
    other = await elsewhere.call("kms", "Encrypt", KeyId="alias/aws/s3", Plaintext=b"x")
    shape = await refused(world.call("kms", "Decrypt", CiphertextBlob=other["CiphertextBlob"]))
    assert shape == "InvalidCiphertextException"


async def test_a_key_policy_has_at_most_32_kib(world: World) -> None:
    def policy(size: int) -> str:
        statement = {"Sid": "", "Effect": "Allow", "Principal": "*", "Action": "kms:*",
                     "Resource": "*"}  # fmt: skip
        short = json.dumps({"Statement": [statement]})
        statement["Sid"] = "s" * (size - len(short))
        return json.dumps({"Statement": [statement]})

    made = await world.call("kms", "CreateKey", Policy=policy(POLICY_BYTES_MAX))
    id = made["KeyMetadata"]["KeyId"]
    long = policy(POLICY_BYTES_MAX + 1)
    for asked in (
        world.call("kms", "PutKeyPolicy", KeyId=id, Policy=long),
        world.call("kms", "CreateKey", Policy=long),
    ):
        assert await refused(asked) == "LimitExceededException"
    deep = '{"Statement":' + "[" * 10_000 + "]" * 10_000 + "}"
    assert await refused(world.call("kms", "PutKeyPolicy", KeyId=id, Policy=deep)) == (
        "MalformedPolicyDocumentException"
    )


async def test_no_operation_breaks_on_what_the_model_lets_through(world: World) -> None:
    """Requests with the required members alone, of each kind of key: answers or refusals of AWS."""
    model = botocore.session.get_session().get_service_model("kms")
    ids = [
        (await world.call("kms", "CreateKey", **more))["KeyMetadata"]["KeyId"]
        for more in (
            {}, {"Origin": "EXTERNAL"}, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
            {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
            {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
        )
    ]  # fmt: skip
    last = ("DeleteAlias", "ScheduleKeyDeletion", "DisableKey")
    names = sorted(world.ports.services["kms"].operations, key=lambda name: name in last)
    for name in names:
        shape: Any = model.operation_model(name).input_shape
        for id in ids:
            request = {
                member: _some(shape.members[member], id) for member in shape.required_members
            }
            try:
                await world.call("kms", name, **request)
            except AwsError as error:
                assert error.shape != "InternalFailure", name


def _some(shape: Any, id: str) -> Any:
    if shape.name in ("KeyIdType",):
        return id
    if shape.type_name == "blob":
        return b"x"
    if shape.type_name == "list":
        return [_some(shape.member, id)]
    if shape.type_name == "structure":
        return dict.fromkeys(shape.required_members, "x")
    if shape.type_name in ("integer", "long"):
        return 1
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "alias/x"
    raise AssertionError(shape)
