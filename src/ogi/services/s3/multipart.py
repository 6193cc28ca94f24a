"""Multipart uploads: parts arrive in any order as sealed files, and become an object at once.

Completing moves no bytes: the object's record names a manifest of the parts' files. Limits are
those of docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.s3 import checksums, errors, objects
from ogi.services.s3.attributes import Attributes
from ogi.services.s3.checksums import Declared
from ogi.services.s3.layout import (
    MANIFESTS,
    PARTS,
    UPLOADS,
    Bucket,
    Manifest,
    Object,
    Part,
    Piece,
    Sealing,
    Sum,
    Upload,
)  # fmt: skip
from ogi.services.s3.service import home_of
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number

PART_NUMBER_MAX = 10_000
PART_BYTES_MIN = 5 * 1024 * 1024
"""Of every part but the last."""
PAGE_MAX = 1000
OBJECT_BYTES_MAX = 50 * 1024**4

COMPOSED = frozenset({"CRC32", "CRC32C", "SHA1", "SHA256", "SHA512", "MD5"})
WHOLE = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Which algorithms can have which type: "Full object and composite checksum types" in
docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html"""


def kind_of(algorithm: str | None, asked: str | None) -> str:
    """The checksum type of an upload: asked for, or the algorithm's default."""
    if algorithm is None:
        if asked is not None:
            raise errors.InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
                "header."
            )
        return "FULL_OBJECT"
    kind = asked or ("COMPOSITE" if algorithm in COMPOSED else "FULL_OBJECT")
    if algorithm not in (WHOLE if kind == "FULL_OBJECT" else COMPOSED):
        raise errors.InvalidRequest(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum "
            "algorithm."
        )
    return kind


def begin(
    tx: Transaction, call: Call, bucket: Bucket, key: str, given: Attributes, how: Sealing,
    algorithm: str | None, kind: str,
) -> str:  # fmt: skip
    """Remember an upload; its id sorts by time, as ListMultipartUploads shows them."""
    id = f"{int(call.now * 1000):012x}{call.entropy(26).hex()}"
    upload = Upload(
        key=key, initiated=float(int(call.now)), initiator=call.principal.arn,
        initiator_id=call.principal.id, sealing=how, headers=given.headers,
        metadata=given.metadata, tags=given.tags, algorithm=algorithm, kind=kind,
        storage=given.storage,
    )  # fmt: skip
    UPLOADS.put(tx, upload, home_of(bucket.name), key, id)
    return id


def find(tx: Reader, bucket: Bucket, request: Fields) -> Upload:
    id = request["UploadId"]
    upload = UPLOADS.get(tx, home_of(bucket.name), request["Key"], id)
    if upload is None:
        raise errors.NoSuchUpload(UploadId=id)
    return upload


def check_number(request: Fields) -> int:
    found = int(request["PartNumber"])
    if not 1 <= found <= PART_NUMBER_MAX:
        raise errors.InvalidArgument(
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber", ArgumentValue=str(found),
        )  # fmt: skip
    return found


def agreed(upload: Upload, sent: Declared) -> Declared:
    """Parts carry the kind of checksum that the upload announced, and no other; one that comes
    without gets it computed. An upload that announced none takes any: it is verified, and not kept.
    SDKs send one with every part since 2025, also where CreateMultipartUpload said nothing:
    docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
    """
    if sent.algorithm is None:
        return Declared(upload.algorithm, None, sent.md5)
    if upload.algorithm is not None and sent.algorithm != upload.algorithm:
        raise errors.InvalidRequest(
            "Checksum Type mismatch occurred, expected checksum Type: "
            f"{upload.algorithm.lower()}, actual checksum Type: {sent.algorithm.lower()}"
        )
    return sent


def put_part(
    tx: Transaction, call: Call, bucket: Bucket, id: str, part_number: int, part: Part
) -> None:
    """Let `part` be the part of this number; the one before it is discarded."""
    home = home_of(bucket.name)
    old = PARTS.get(tx, home, id, part_number)
    PARTS.put(tx, part, home, id, part_number)
    if old is not None:
        objects.discard_later(tx, call, bucket, old.blob)


def parts(
    tx: Reader, bucket: Bucket, id: str, *, behind: int = 0, limit: int = PART_NUMBER_MAX
) -> list[tuple[int, Part]]:
    """Parts in order, those with a number greater than `behind`."""
    home = home_of(bucket.name)
    start = (behind + 1).to_bytes(8, "big")
    return [
        (number(rest), part) for rest, part in PARTS.scan(tx, home, id, limit=limit, start=start)
    ]


def abort(tx: Transaction, call: Call, bucket: Bucket, request: Fields) -> None:
    upload = find(tx, bucket, request)
    expected = request.get("IfMatchInitiatedTime")
    if expected is not None and int(expected) != int(upload.initiated):
        raise errors.PreconditionFailed(Condition="x-amz-if-match-initiated-time")
    _end(tx, call, bucket, request)


def complete(tx: Transaction, call: Call, bucket: Bucket, request: Fields) -> Object:
    """Make the object of the parts that the request lists."""
    key, id = request["Key"], request["UploadId"]
    upload = UPLOADS.get(tx, home_of(bucket.name), key, id)
    if upload is None:
        return _completed(tx, bucket, key, id)
    listed = request.get("MultipartUpload", {}).get("Parts") or []
    if not listed:
        raise errors.InvalidRequest("You must specify at least one part")
    chosen = _chosen(listed, dict(parts(tx, bucket, id)), upload)
    _check_sizes(chosen)
    size = sum(part.size for _, part in chosen)
    if request.get("MpuObjectSize", size) != size:
        raise errors.InvalidRequest(
            f"The provided 'x-amz-mp-object-size' header does not match what was computed: {size}"
        )
    checksum = _sum(request, upload, [part for _, part in chosen])
    pieces = tuple(Piece(n, part.size, part.blob, part.sum) for n, part in chosen)
    MANIFESTS.put(tx, Manifest(pieces), home_of(bucket.name), id)
    made = Object(
        etag=_etag(chosen), size=size, modified=int(call.now), sequence=0, sealing=upload.sealing,
        headers=upload.headers, metadata=upload.metadata, tags=upload.tags, sum=checksum,
        manifest=id, storage=upload.storage,
    )  # fmt: skip
    made = objects.replace(
        tx, call, bucket, key, made,
        event="ObjectCreated:CompleteMultipartUpload", request=request,
    )  # fmt: skip
    _end(tx, call, bucket, request)
    return made


def _completed(tx: Reader, bucket: Bucket, key: str, id: str) -> Object:
    """The answer once more, for a client that lost the first: completing is idempotent."""
    object = objects.get(tx, home_of(bucket.name), key)
    if object is None or object.manifest != id:
        raise errors.NoSuchUpload(UploadId=id)
    return object


def _end(tx: Transaction, call: Call, bucket: Bucket, request: Fields) -> None:
    """Forget the upload; its parts are discarded but for those that an object names."""
    home = home_of(bucket.name)
    UPLOADS.delete(tx, home, request["Key"], request["UploadId"])
    wanted = {"Bucket": bucket.name, "UploadId": request["UploadId"]}
    deliveries.post(tx, call, home, "s3", "discard_parts", wanted)


def _chosen(
    listed: Sequence[Fields], uploaded: Mapping[int, Part], upload: Upload
) -> list[tuple[int, Part]]:
    chosen: list[tuple[int, Part]] = []
    for entry in listed:
        found = entry.get("PartNumber", 0)
        if chosen and found <= chosen[-1][0]:
            raise errors.InvalidPartOrder()
        part = uploaded.get(found)
        if part is None or entry.get("ETag", "").strip('"') != part.etag:
            raise errors.InvalidPart(PartNumber=str(found), ETag=entry.get("ETag", ""))
        _check_part_sum(entry, found, part, upload)
        chosen.append((found, part))
    return chosen


def _check_part_sum(entry: Fields, part_number: int, part: Part, upload: Upload) -> None:
    known = part.sent
    if known is not None and entry.get(f"Checksum{known.algorithm}", known.value) != known.value:
        raise errors.InvalidPart(PartNumber=str(part_number), ETag=entry.get("ETag", ""))
    if upload.algorithm is None or part.sum is None:
        return
    sent = entry.get(f"Checksum{upload.algorithm}")
    if sent is None:
        if upload.kind == "COMPOSITE":
            raise errors.InvalidRequest(
                f"The upload was created using a {upload.algorithm.lower()} checksum. The complete "
                "request must include the checksum for each part. It was missing for part "
                f"{part_number} in the request."
            )
    elif sent != part.sum.value:
        raise errors.InvalidPart(PartNumber=str(part_number), ETag=entry.get("ETag", ""))


def _check_sizes(chosen: Sequence[tuple[int, Part]]) -> None:
    for found, part in chosen[:-1]:
        if part.size < PART_BYTES_MIN:
            raise errors.EntityTooSmall(
                ProposedSize=str(part.size), MinSizeAllowed=str(PART_BYTES_MIN),
                PartNumber=str(found), ETag=part.etag,
            )  # fmt: skip


def _sum(request: Fields, upload: Upload, chosen: Sequence[Part]) -> Sum | None:
    """The checksum of the object, compared with the one that the client may have sent."""
    asked = request.get("ChecksumType")
    if asked is not None and upload.algorithm is not None and asked != upload.kind:
        raise errors.BadDigest(
            f"The upload was created with the checksum type {upload.kind}, not {asked}."
        )
    algorithm = upload.algorithm or checksums.DEFAULT
    values = [(part.sum.value, part.size) for part in chosen if part.sum is not None]
    if len(values) != len(chosen):
        return None
    if upload.kind == "COMPOSITE":
        made = checksums.composite(algorithm, [value for value, _ in values])
    else:
        made = checksums.combined(algorithm, values)
    sent = request.get(f"Checksum{algorithm}")
    if sent is not None and sent.partition("-")[0] != made.value.partition("-")[0]:
        raise errors.BadDigest(
            f"The {algorithm} you specified did not match the calculated checksum."
        )
    return made


def _etag(chosen: Sequence[tuple[int, Part]]) -> str:
    """The MD5 of the parts' ETags, and how many they are."""
    raw = b"".join(bytes.fromhex(part.etag) for _, part in chosen)
    return f"{hashlib.md5(raw, usedforsecurity=False).hexdigest()}-{len(chosen)}"
