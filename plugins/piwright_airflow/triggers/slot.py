"""Waits until a worker has a free slot for a batch, and leases it."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from piwright.database.connection import Connection
from piwright.planning.leases import nobody_may_build, take_lease
from piwright_airflow.database import in_trigger


class SlotTrigger(BaseTrigger):
    """Fires `{"kind": "leased"}` once the batch holds a lease, `{"kind": "refused"}` when no worker is left to wait for.

    The lease table queues; this only looks again.
    """

    def __init__(self, *, batch_id: int, target_id: int, database_connection: str, poll_seconds: float = 5.0) -> None:
        super().__init__()
        self.batch_id = batch_id
        self.target_id = target_id
        self.database_connection = database_connection
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "piwright_airflow.triggers.slot.SlotTrigger",
            {
                "batch_id": self.batch_id,
                "target_id": self.target_id,
                "database_connection": self.database_connection,
                "poll_seconds": self.poll_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Another process frees the slot: there is no event to wait for.
        while (kind := await in_trigger(self.database_connection, self._look)) is None:  # noqa: ASYNC110
            # Jitter, so that a crowd of waiting batches does not ask at the same moment.
            await asyncio.sleep(self.poll_seconds * random.uniform(0.5, 1.5))
        yield TriggerEvent({"kind": kind})

    def _look(self, connection: Connection) -> str | None:
        if take_lease(connection, self.batch_id, self.target_id) is not None:
            return "leased"
        return "refused" if nobody_may_build(connection, self.target_id) else None
