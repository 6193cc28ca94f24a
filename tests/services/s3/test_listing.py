"""Listing: every page of every listing is what a slow model says, and prefixes are skipped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.services.s3 import errors, listing
from ogi.services.s3.layout import OBJECTS, Object, Sealing
from ogi.services.s3.listing import Place
from ogi.storage import Home
from ogi.storage.memory import MemoryStore
from tests.services.s3.conftest import S3

HOME = Home("arn:aws:s3:::b")
LETTERS = "ab/\x00\u00ff\U0010ffff"
names = st.text(LETTERS, min_size=1, max_size=5)


def _model(keys: set[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    """Keys and common prefixes (True) in order of their UTF-8."""
    found: dict[str, bool] = {}
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        found[key if at < 0 else key[: at + len(delimiter)]] = at >= 0
    return list(found.items())


async def _stored(keys: set[str]) -> MemoryStore:
    store = MemoryStore()

    def body(tx: Any) -> None:
        for key in keys:
            OBJECTS.put(tx, Object(key, 0, 0, 0, Sealing("AES256")), HOME, key)

    await store.transact(body, HOME)
    return store


async def _listed(
    keys: set[str], prefix: str, delimiter: str, limit: int, markers: bool
) -> list[tuple[str, bool]]:
    store = await _stored(keys)
    found: list[tuple[str, bool]] = []
    place = Place()
    while True:
        page = await store.read(
            lambda tx, place=place: listing.page(  # type: ignore[misc]
                tx, HOME, "object", OBJECTS.decode, prefix=prefix, delimiter=delimiter,
                place=place, limit=limit,
            )
        )  # fmt: skip
        assert len(page.entries) + len(page.prefixes) <= limit
        assert all(row.etag == key for key, row in page.entries)
        mixed = [(k, False) for k, _ in page.entries] + [(p, True) for p in page.prefixes]
        found += sorted(mixed, key=lambda entry: entry[0].encode())
        if not page.truncated:
            return found
        under = bool(page.prefixes) and page.prefixes[-1] == page.last
        place = Place(page.last, under and not markers)


@given(
    st.sets(names, max_size=40), st.text(LETTERS, max_size=2),
    st.sampled_from(["", "/", "a", "//"]),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_pages_together_are_the_listing(
    keys: set[str], prefix: str, delimiter: str, limit: int, markers: bool
) -> None:
    found = asyncio.run(_listed(keys, prefix, delimiter, limit, markers))
    assert found == _model(keys, prefix, delimiter)


async def test_the_cost_of_a_rolled_up_listing_is_independent_of_what_lies_below() -> None:
    store = await _stored({f"{folder}/{n:05}" for folder in "abc" for n in range(3000)})

    def body(tx: Any) -> tuple[list[str], int]:
        class Counting:
            rows = 0

            def scan(self, *arguments: Any, **rest: Any) -> Any:
                found = tx.scan(*arguments, **rest)
                self.rows += len(found)
                return found

        counting: Any = Counting()
        page = listing.page(
            counting, HOME, "object", OBJECTS.decode, prefix="", delimiter="/", place=Place(),
            limit=1000,
        )  # fmt: skip
        return page.prefixes, counting.rows

    prefixes, rows = await store.read(body)
    assert prefixes == ["a/", "b/", "c/"]
    assert rows <= 3 * listing.SCAN_MIN


async def _put(s3: S3, *keys: str) -> None:
    for key in keys:
        await s3("PutObject", Key=key, Body=key.encode())


async def test_version_2_pages_by_token(s3: S3) -> None:
    await _put(s3, "a", "b/1", "b/2", "c", "d")
    first = await s3("ListObjectsV2", Delimiter="/", MaxKeys=2)
    assert [entry["Key"] for entry in first["Contents"]] == ["a"]
    assert first["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert (first["KeyCount"], first["IsTruncated"]) == (2, True)
    token = first["NextContinuationToken"]
    rest = await s3("ListObjectsV2", Delimiter="/", ContinuationToken=token)
    assert [entry["Key"] for entry in rest["Contents"]] == ["c", "d"]
    assert "NextContinuationToken" not in rest
    after = await s3("ListObjectsV2", StartAfter="b/1")
    assert [entry["Key"] for entry in after["Contents"]] == ["b/2", "c", "d"]
    with pytest.raises(errors.InvalidArgument, match="continuation token"):
        await s3("ListObjectsV2", ContinuationToken="junk")


async def test_version_1_pages_by_marker(s3: S3) -> None:
    await _put(s3, "a", "b/1", "b/2", "c")
    first = await s3("ListObjects", Delimiter="/", MaxKeys=2)
    assert first["NextMarker"] == "b/"
    rest = await s3("ListObjects", Delimiter="/", Marker="b/")
    assert [entry["Key"] for entry in rest["Contents"]] == ["c"]
    assert "CommonPrefixes" not in rest
    plain = await s3("ListObjects", MaxKeys=1)
    assert plain["IsTruncated"] and "NextMarker" not in plain
    assert "Owner" in plain["Contents"][0]


async def test_an_entry_tells_of_its_object(s3: S3) -> None:
    put = await s3("PutObject", Key="k", Body=b"body")
    (entry,) = (await s3("ListObjectsV2"))["Contents"]
    assert entry["ETag"] == put["ETag"]
    assert (entry["Size"], entry["StorageClass"]) == (4, "STANDARD")
    assert entry["ChecksumAlgorithm"] == ["CRC64NVME"]
    assert "Owner" not in entry
    (owned,) = (await s3("ListObjectsV2", FetchOwner=True))["Contents"]
    assert len(owned["Owner"]["ID"]) == 64


async def test_no_keys_are_shown_if_none_are_wanted(s3: S3) -> None:
    await _put(s3, "a")
    page = await s3("ListObjectsV2", MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)
    assert (await s3("ListObjectsV2", MaxKeys=5000))["MaxKeys"] == 1000


async def test_names_are_encoded_on_request(s3: S3) -> None:
    await _put(s3, "a b/ü+1", "a b/x/y")
    page = await s3("ListObjectsV2", Prefix="a b/", Delimiter="/", EncodingType="url")
    assert page["Contents"][0]["Key"] == "a+b/%C3%BC%2B1"
    assert page["CommonPrefixes"] == [{"Prefix": "a+b/x/"}]
    assert (page["Prefix"], page["EncodingType"]) == ("a+b/", "url")


async def test_every_listing_sees_the_write_before_it(s3: S3) -> None:
    for n in range(5):
        await _put(s3, str(n))
        assert len((await s3("ListObjectsV2"))["Contents"]) == n + 1


async def test_every_object_is_the_null_version_of_itself(s3: S3) -> None:
    await _put(s3, "a", "b")
    first = await s3("ListObjectVersions", MaxKeys=1)
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in first["Versions"]] == [
        ("a", "null", True)
    ]
    rest = await s3(
        "ListObjectVersions", KeyMarker=first["NextKeyMarker"],
        VersionIdMarker=first["NextVersionIdMarker"],
    )  # fmt: skip
    assert [v["Key"] for v in rest["Versions"]] == ["b"]
    await s3("DeleteObjects", Delete={"Objects": [{"Key": "a", "VersionId": "null"}]})
    with pytest.raises(errors.InvalidArgument, match="Invalid version id specified"):
        await s3("GetObject", Key="b", VersionId="v1")
    assert await s3.body("b", VersionId="null") == b"b"
