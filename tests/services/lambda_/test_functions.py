"""Functions: what is accepted, what is refused and how, and what remains of them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from ogi.http import Request
from ogi.services.lambda_ import packages, runtimes
from tests.services.lambda_.conftest import ECHO, ROLE, House, refused, zipped
from tests.world import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"


async def test_a_function_is_described_as_it_was_made(house: House) -> None:
    made = await house.function(
        Description="d", Timeout=900, MemorySize=1024, Tags={"k": "v"},
        Environment={"Variables": {"STAGE": "test"}}, EphemeralStorage={"Size": 1024},
    )  # fmt: skip
    got = await house.lambda_("GetFunction", FunctionName="f")
    assert got["Configuration"] == made
    assert got["Tags"] == {"k": "v"}
    assert made["FunctionArn"] == ARN
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped()).digest()).decode()
    assert made["CodeSize"] == len(zipped())
    assert (made["Timeout"], made["MemorySize"], made["Version"]) == (900, 1024, "$LATEST")
    assert made["Environment"] == {"Variables": {"STAGE": "test"}}
    assert (made["State"], made["LastUpdateStatus"]) == ("Active", "Successful")
    assert made["LastModified"] == "2023-11-14T22:13:20.000+0000"


@pytest.mark.parametrize("name", ["f", f"{ACCOUNT}:function:f", ARN, f"{ARN}:$LATEST"])
async def test_a_function_goes_by_all_its_names(house: House, name: str) -> None:
    await house.function()
    found = await house.lambda_("GetFunctionConfiguration", FunctionName=name)
    assert found["FunctionName"] == "f"


async def test_a_function_that_is_not_there_is_named_by_its_arn(house: House) -> None:
    error = await refused(house.lambda_("GetFunction", FunctionName="absent"))
    assert error.shape == "ResourceNotFoundException"
    assert error.message == f"Function not found: {ARN[:-1]}absent"


async def test_a_name_is_used_once(house: House) -> None:
    await house.function()
    error = await refused(house.function())
    assert error.shape == "ResourceConflictException"
    assert error.message == "Function already exist: f"


async def test_a_role_that_lambda_cannot_assume_is_refused(house: House) -> None:
    trust = json.loads('{"Version":"2012-10-17","Statement":[]}')
    trust["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    await house.world.call(
        "iam", "CreateRole", RoleName="other", AssumeRolePolicyDocument=json.dumps(trust)
    )
    for role in (ROLE.replace("worker", "other"), ROLE.replace("worker", "absent")):
        error = await refused(house.function(Role=role))
        assert error.shape == "InvalidParameterValueException"
        assert error.message == "The role defined for the function cannot be assumed by Lambda."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Code": {}}, "Please provide a source for function code."),
        ({"Code": {"ZipFile": b""}}, "Uploaded file must be a non-empty zip"),
        (
            {"Code": {"ZipFile": b"def handler(): pass"}},
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        (
            {"Handler": ""},
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages.",
        ),
        (
            {"Timeout": 901},
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
            "Member must have value less than or equal to 900",
        ),
        (
            {"MemorySize": 10241},
            "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy "
            "constraint: Member must have value less than or equal to 10240",
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            "for modification. Reserved keys used in this request: AWS_REGION",
        ),
        (
            {"Environment": {"Variables": {"KEY": "x" * 4096}}},
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. Measured size: 4106 bytes",
        ),
        (
            {"Environment": {"Variables": {"1KEY": "secret"}}},
            "1 validation error detected: Value at 'environment.variables' failed to satisfy "
            "constraint: Map keys must satisfy constraint: [Member must satisfy regular expression "
            "pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
        ),
    ],
)
async def test_bad_parameters_are_refused_in_awss_words(
    house: House, changes: dict[str, Any], message: str
) -> None:
    error = await refused(house.function(**changes))
    assert error.message == message
    assert (await house.lambda_("ListFunctions"))["Functions"] == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("PackageType", "Image"),
        ("Layers", ["arn:aws:lambda:eu-west-1:1:layer:l:1"]),
        ("VpcConfig", {"SubnetIds": ["s"], "SecurityGroupIds": []}),
        ("FileSystemConfigs", [{"Arn": "a", "LocalMountPath": "/mnt/x"}]),
        ("TracingConfig", {"Mode": "Active"}),
        ("SnapStart", {"ApplyOn": "PublishedVersions"}),
        ("LoggingConfig", {"LogFormat": "JSON"}),
        ("Runtime", "java21"),
        ("Runtime", "python2.7"),
        ("Runtime", "arn:aws:lambda:eu-west-1::runtime:07a48df201798d627f2b950f03bb227a"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    house: House, member: str, value: Any
) -> None:
    error = await refused(house.function(**{member: value}))
    assert error.code == "NotImplemented"
    assert (value if member == "Runtime" else member) in error.message


@pytest.mark.parametrize("runtime", ["python3.99", "nodejs10.10", "provided.al9999", "Python3.12"])
async def test_a_runtime_that_nobody_knows_is_refused_with_the_list_of_those_that_there_are(
    house: House, runtime: str
) -> None:
    error = await refused(house.function(Runtime=runtime))
    assert error.shape == "InvalidParameterValueException"
    assert error.message == (
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value"
        f" set: [{', '.join(runtimes.KNOWN)}] or be a valid ARN"
    )
    await house.function()
    update = house.lambda_("UpdateFunctionConfiguration", FunctionName="f", Runtime=runtime)
    assert (await refused(update)).message == error.message


def test_the_runtimes_are_those_of_the_api() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    assert list(runtimes.KNOWN) == model.shape_for("Runtime").enum


async def test_what_says_nothing_is_not_refused(house: House) -> None:
    made = await house.function(
        Layers=[], VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}, DeadLetterConfig={},
        TracingConfig={"Mode": "PassThrough"}, SnapStart={"ApplyOn": "None"},
    )  # fmt: skip
    assert made["TracingConfig"] == {"Mode": "PassThrough"}


async def test_code_can_come_from_s3_as_the_caller(house: House) -> None:
    await house.world.call(
        "s3",
        "CreateBucket",
        Bucket="code-bucket",
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    await house.world.call("s3", "PutObject", Bucket="code-bucket", Key="f.zip", Body=zipped())
    made = await house.function(Code={"S3Bucket": "code-bucket", "S3Key": "f.zip"})
    assert made["CodeSize"] == len(zipped())
    error = await refused(house.function(name="g", Code={"S3Bucket": "code-bucket", "S3Key": "x"}))
    assert error.message == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist."
    )


async def test_the_link_to_the_code_works_until_it_expires(house: House) -> None:
    await house.function()
    got = await house.lambda_("GetFunction", FunctionName="f")
    path, _, query = got["Code"]["Location"].removeprefix("http://127.0.0.1:4566").partition("?")
    page = house.world.ports.services["lambda"].pages[path]
    answer = await page(house.world.ports, Request("GET", path, query, []))
    assert answer.status == 200 and not isinstance(answer.body, bytes)
    assert b"".join([piece async for piece in answer.body]) == zipped()
    house.clock.advance(601)
    assert (await page(house.world.ports, Request("GET", path, query, []))).status == 403
    forged = query[:-2] + "00"
    assert (await page(house.world.ports, Request("GET", path, forged, []))).status == 403


async def test_variables_lie_encrypted(house: House) -> None:
    await house.function(Environment={"Variables": {"PASSWORD": "hunter2-hunter2"}})
    rows = await house.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 10_000))
    assert not [key for key, value in rows if b"hunter2" in value]


async def test_new_code_runs_at_once_and_the_old_package_goes(house: House, tmp_path: Path) -> None:
    await house.function("def handler(e, c): return 'old'")
    old = await house.lambda_("Invoke", FunctionName="f")
    changed = await house.lambda_(
        "UpdateFunctionCode", FunctionName="f", ZipFile=zipped("def handler(e, c): return 'new'")
    )
    new = await house.lambda_("Invoke", FunctionName="f")
    assert (old["Payload"], new["Payload"]) == (b'"old"', b'"new"')
    found = await house.lambda_("GetFunctionConfiguration", FunctionName="f")
    assert found["RevisionId"] == changed["RevisionId"]
    assert len(_blobs(tmp_path)) == 2
    house.clock.advance(4000)
    await house.world.deliver()
    assert len(_blobs(tmp_path)) == 1
    assert len(list((tmp_path / "functions").iterdir())) == 1


async def test_a_package_whose_function_was_refused_goes(house: House, tmp_path: Path) -> None:
    await refused(house.function(Role=ROLE + "x"))
    house.clock.advance(4000)
    await house.world.deliver()
    assert _blobs(tmp_path) == []


def _blobs(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


async def test_a_revision_that_is_not_the_latest_is_refused(house: House) -> None:
    made = await house.function()
    await house.lambda_("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
    error = await refused(
        house.lambda_(
            "UpdateFunctionConfiguration",
            FunctionName="f",
            Timeout=6,
            RevisionId=made["RevisionId"],
        )
    )
    assert error.shape == "PreconditionFailedException"


async def test_a_new_configuration_keeps_what_it_does_not_name(house: House) -> None:
    await house.function(Environment={"Variables": {"AA": "1"}}, Timeout=7)
    await house.lambda_("UpdateFunctionConfiguration", FunctionName="f", MemorySize=256)
    found = await house.lambda_("GetFunctionConfiguration", FunctionName="f")
    assert (found["MemorySize"], found["Timeout"]) == (256, 7)
    assert found["Environment"] == {"Variables": {"AA": "1"}}


async def test_a_deleted_function_is_gone_with_its_reservation(house: House) -> None:
    await house.function()
    await house.lambda_(
        "PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=900
    )
    await house.lambda_("DeleteFunction", FunctionName="f")
    assert (await refused(house.lambda_("GetFunction", FunctionName="f"))).shape == (
        "ResourceNotFoundException"
    )
    settings = await house.lambda_("GetAccountSettings")
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000


async def test_functions_are_listed_page_by_page(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.function(name=name)
    first = await house.lambda_("ListFunctions", MaxItems=2)
    rest = await house.lambda_("ListFunctions", MaxItems=2, Marker=first["NextMarker"])
    names = [f["FunctionName"] for page in (first, rest) for f in page["Functions"]]
    assert names == ["a", "b", "c"] and "NextMarker" not in rest


async def test_versions_do_not_change_and_aliases_point_to_them(house: House) -> None:
    await house.function("def handler(e, c): return [c.function_version, c.invoked_function_arn]")
    one = await house.lambda_("PublishVersion", FunctionName="f")
    same = await house.lambda_("PublishVersion", FunctionName="f")
    assert one["Version"] == same["Version"] == "1"
    await house.lambda_("UpdateFunctionConfiguration", FunctionName="f", Timeout=9, Description="x")
    two = await house.lambda_("PublishVersion", FunctionName="f")
    assert (two["Version"], two["FunctionArn"]) == ("2", f"{ARN}:2")
    await house.lambda_("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    ran = await house.lambda_("Invoke", FunctionName="f:live")
    assert json.loads(ran["Payload"]) == ["1", f"{ARN}:live"]
    assert ran["ExecutedVersion"] == "1"
    listed = await house.lambda_("ListVersionsByFunction", FunctionName="f")
    assert [v["Version"] for v in listed["Versions"]] == ["$LATEST", "1", "2"]
    error = await refused(house.lambda_("DeleteFunction", FunctionName="f", Qualifier="1"))
    assert error.shape == "ResourceConflictException"
    await house.lambda_("DeleteAlias", FunctionName="f", Name="live")
    await house.lambda_("DeleteFunction", FunctionName="f", Qualifier="1")
    assert (await refused(house.lambda_("Invoke", FunctionName="f:1"))).message == (
        f"Function not found: {ARN}:1"
    )


async def test_tags_are_added_and_removed(house: House) -> None:
    await house.function(Tags={"a": "1"})
    await house.lambda_("TagResource", Resource=ARN, Tags={"b": "2"})
    await house.lambda_("UntagResource", Resource=ARN, TagKeys=["a"])
    assert (await house.lambda_("ListTags", Resource=ARN))["Tags"] == {"b": "2"}


async def test_a_permission_is_a_statement_of_the_functions_policy(house: House) -> None:
    await house.function()
    added = await house.lambda_(
        "AddPermission", FunctionName="f", StatementId="s", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn="arn:aws:sns:eu-west-1:1:t",
    )  # fmt: skip
    statement = {
        "Sid": "s", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": ARN,
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:sns:eu-west-1:1:t"}},
    }  # fmt: skip
    assert json.loads(added["Statement"]) == statement
    policy = await house.lambda_("GetPolicy", FunctionName="f")
    assert json.loads(policy["Policy"])["Statement"] == [statement]
    again = house.lambda_(
        "AddPermission", FunctionName="f", StatementId="s", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
    )  # fmt: skip
    assert (await refused(again)).message == (
        "The statement id (s) provided already exists. Please provide a new statement id, or "
        "remove the existing statement."
    )
    await house.lambda_("RemovePermission", FunctionName="f", StatementId="s")
    error = await refused(house.lambda_("GetPolicy", FunctionName="f"))
    assert error.message == "The resource you requested does not exist."


async def test_a_service_may_invoke_only_what_the_policy_lets_it(house: House) -> None:
    await house.function()
    topic = "arn:aws:sns:eu-west-1:111122223333:t"
    sns = house.world.caller().as_service("sns.amazonaws.com", topic, ACCOUNT)
    event = {"FunctionName": ARN, "InvocationType": "Event", "Payload": b"{}"}
    error = await refused(house.world.call_as(sns, "lambda", "Invoke", **event))
    assert error.shape == "AccessDeniedException"
    await house.lambda_(
        "AddPermission", FunctionName="f", StatementId="s", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=topic,
    )  # fmt: skip
    assert (await house.world.call_as(sns, "lambda", "Invoke", **event))["StatusCode"] == 202


async def test_a_hundred_executions_stay_unreserved(house: House) -> None:
    await house.function()
    error = await refused(
        house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=901)
    )
    assert error.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    await house.lambda_(
        "PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=900
    )
    got = await house.lambda_("GetFunction", FunctionName="f")
    assert got["Concurrency"] == {"ReservedConcurrentExecutions": 900}


# -- packages -------------------------------------------------------------------------------------


def _archive(*entries: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
async def test_a_package_that_leads_out_of_its_folder_is_refused(house: House, name: str) -> None:
    package = _archive((name, b"x", 0o644))
    error = await refused(house.function(Code={"ZipFile": package}))
    assert error.message.startswith("Could not unzip uploaded file.")


async def test_a_package_that_is_too_large_unpacked_is_refused(house: House) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("big", "w") as f,
    ):
        for _ in range(251):
            f.write(bytes(1024 * 1024))
    error = await refused(house.function(Code={"ZipFile": buffer.getvalue()}))
    assert error.message == "Unzipped size must be smaller than 262144000 bytes"


def test_files_keep_their_permissions_and_links_stay_inside(tmp_path: Path) -> None:
    package = _archive(
        ("bootstrap", b"#!/bin/sh", stat.S_IFREG | 0o755),
        ("data.txt", b"data", stat.S_IFREG | 0o600),
        ("lib/inner", b"../data.txt", stat.S_IFLNK | 0o777),
        ("outer", b"/etc/passwd", stat.S_IFLNK | 0o777),
        ("up", b"../../secret", stat.S_IFLNK | 0o777),
        ("a/b/s", b"../..", stat.S_IFLNK | 0o777),
        ("a/b/chain", b"s/../..", stat.S_IFLNK | 0o777),
    )
    folder = tmp_path / "task"
    packages.unpack(package, folder)
    assert (folder / "bootstrap").stat().st_mode & 0o777 == 0o755
    assert (folder / "lib/inner").read_bytes() == b"data"
    for name in ("outer", "up", "a/b/chain"):
        assert not (folder / name).is_symlink(), name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["task"]


def test_a_package_that_lies_about_its_size_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "UNPACKED_BYTES_MAX", 10)
    with pytest.raises(packages.BadPackage):
        packages.unpack(zipped(ECHO), tmp_path / "task")
    assert list(tmp_path.iterdir()) == []
