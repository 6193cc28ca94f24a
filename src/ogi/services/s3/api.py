"""S3's API: importing it registers every operation and duty."""

from ogi.services.s3 import (
    api_buckets,
    api_copies,
    api_listing,
    api_multipart,
    api_objects,
    api_settings,
    discards,
)

__all__ = [
    "api_buckets",
    "api_copies",
    "api_listing",
    "api_multipart",
    "api_objects",
    "api_settings",
    "discards",
]
