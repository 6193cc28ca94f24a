"""Lambda: functions, and what runs them: requests, events, and queues through their mappings."""

from __future__ import annotations

from ogi.services.lambda_ import (
    api as api,
)
from ogi.services.lambda_ import (
    api_invoke as api_invoke,
)
from ogi.services.lambda_ import (
    api_mappings as api_mappings,
)
from ogi.services.lambda_ import (
    api_permissions as api_permissions,
)
from ogi.services.lambda_ import (
    api_versions as api_versions,
)
from ogi.services.lambda_.poller import Poller
from ogi.services.lambda_.service import SERVICE

SERVICE.workers = (Poller,)

__all__ = ["SERVICE"]
