"""Follows a batch on its worker: one command a poll over one connection, until there is something to collect."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncssh
from airflow.providers.ssh.hooks.ssh import SSHHookAsync
from airflow.triggers.base import BaseTrigger, TriggerEvent

from piwright.planning.leases import release_lease, renew_lease
from piwright.worker import StatusAnswer
from piwright_airflow.database import in_trigger

# At its default it tells the task's log about every channel: 2 kB a second for each batch.
asyncssh.set_log_level("WARNING")

_RENEW_SECONDS = 20
_COMMAND_SECONDS = 60
_FAULTS = (OSError, asyncssh.Error, TimeoutError, ValueError)
"""What a poll may fail with while the worker is rebooting, unplugged, or out of its mind."""


class BatchTrigger(BaseTrigger):
    """Fires when builds can be collected, when the batch stopped, or when its worker was out of reach for too long.

    The event is `{"kind": "collect" | "stopped" | "lost", "detail": str}`. `collected` names the builds the database
    has already; finished ones are handed over together, at most `hand_over_seconds` after the first of them.
    """

    def __init__(
        self,
        *,
        batch_id: int,
        remote_name: str,
        connection_id: str,
        status_command: str,
        cancel_command: str,
        collected: Sequence[str],
        database_connection: str,
        grace_seconds: float,
        poll_seconds: float = 2.0,
        hand_over_seconds: float = 20.0,
    ) -> None:
        super().__init__()
        self.batch_id = batch_id
        self.remote_name = remote_name
        self.connection_id = connection_id
        self.status_command = status_command
        self.cancel_command = cancel_command
        self.collected = list(collected)
        self.database_connection = database_connection
        self.grace_seconds = grace_seconds
        self.poll_seconds = poll_seconds
        self.hand_over_seconds = hand_over_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "piwright_airflow.triggers.batch.BatchTrigger",
            {
                "batch_id": self.batch_id,
                "remote_name": self.remote_name,
                "connection_id": self.connection_id,
                "status_command": self.status_command,
                "cancel_command": self.cancel_command,
                "collected": self.collected,
                "database_connection": self.database_connection,
                "grace_seconds": self.grace_seconds,
                "poll_seconds": self.poll_seconds,
                "hand_over_seconds": self.hand_over_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        connection: asyncssh.SSHClientConnection | None = None
        last_answer = time.monotonic()
        missed = 0
        first_done: float | None = None
        try:
            while True:
                try:
                    if connection is None:
                        async with asyncio.timeout(_COMMAND_SECONDS):
                            connection = await SSHHookAsync(ssh_conn_id=self.connection_id).get_conn()
                    answer = await self._ask(connection, self.status_command)
                    last_answer, missed = time.monotonic(), 0
                except _FAULTS as fault:
                    missed += 1
                    if connection is not None:
                        connection.abort()
                        connection = None
                    away = time.monotonic() - last_answer
                    self.log.warning("No answer from %s for %.0f s: %s", self.connection_id, away, fault)
                    # One slow answer can take all of the grace: a worker is lost that does not answer again.
                    if away > self.grace_seconds and missed > 1:
                        yield TriggerEvent({"kind": "lost", "detail": f"{type(fault).__name__}: {fault}"})
                        return
                    await self._renew(None)
                    await asyncio.sleep(self.poll_seconds)
                    continue
                if answer.state != "running":
                    yield TriggerEvent({"kind": "stopped", "detail": answer.state})
                    return
                done = [
                    each.build for each in answer.builds if each.state == "done" and each.build not in self.collected
                ]
                first_done = first_done or (time.monotonic() if done else None)
                if first_done is not None and time.monotonic() - first_done >= self.hand_over_seconds:
                    yield TriggerEvent({"kind": "collect", "detail": ", ".join(done)[:500]})
                    return
                await self._renew(next((each.build for each in answer.builds if each.state == "running"), None))
                await asyncio.sleep(self.poll_seconds)
        finally:
            if connection is not None:
                connection.close()

    async def on_kill(self) -> None:
        """Somebody marked or cleared the task: end the remote processes and give the slot back."""
        self.log.info("Cancelling %s on %s", self.remote_name, self.connection_id)
        try:
            async with await SSHHookAsync(ssh_conn_id=self.connection_id).get_conn() as connection:
                await self._ask(connection, self.cancel_command)
        finally:
            await in_trigger(self.database_connection, lambda database: release_lease(database, self.batch_id))

    async def _ask(self, connection: asyncssh.SSHClientConnection, command: str) -> StatusAnswer:
        answered = await connection.run(command, check=False, timeout=_COMMAND_SECONDS)
        text = answered.stdout if isinstance(answered.stdout, str) else ""
        if answered.exit_status != 0:
            raise ValueError(f"exit code {answered.exit_status}: {text[:500] or str(answered.stderr)[:500]}")
        return StatusAnswer.from_json(text.encode())

    _renewed: tuple[float, str | None] = (float("-inf"), None)

    async def _renew(self, build: str | None) -> None:
        """Keep the lease and note what is being built, when that changed or it is time again."""
        when, noted = self._renewed
        if build == noted and time.monotonic() - when < _RENEW_SECONDS:
            return
        self._renewed = (time.monotonic(), build)
        job_id = int(build.partition("-")[0]) if build else None
        await in_trigger(self.database_connection, lambda database: renew_lease(database, self.batch_id, job_id))
