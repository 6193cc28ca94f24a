"""S3: buckets and objects, and what is told when objects change."""

from ogi.services.s3 import api
from ogi.services.s3.service import SERVICE

__all__ = ["SERVICE", "api"]
