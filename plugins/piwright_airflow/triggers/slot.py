"""Waits until a worker has a free slot for a batch, and leases it."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from piwright.planning.leases import take_lease
from piwright_airflow.database import in_trigger


class SlotTrigger(BaseTrigger):
    """Fires `{"kind": "leased"}` once the batch holds a lease. The lease table queues; this only looks again."""

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
        while await in_trigger(  # noqa: ASYNC110 - another process frees the slot: there is no event to wait for
            self.database_connection, lambda connection: take_lease(connection, self.batch_id, self.target_id) is None
        ):
            # Jitter, so that a crowd of waiting batches does not ask at the same moment.
            await asyncio.sleep(self.poll_seconds * random.uniform(0.5, 1.5))
        yield TriggerEvent({"kind": "leased"})
