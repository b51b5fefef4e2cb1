"""What every task of ours has unless it says otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

OWNER = "piwright"

START = datetime(2005, 1, 1, tzinfo=UTC)
"""Before the first release upstream: a backfill may reach back to any day."""

BUILD_POOL = "pi_builds"
"""As many slots as all workers together; deferred tasks hold theirs."""

TASK_DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}
