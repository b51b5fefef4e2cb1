"""Builds one batch of wheels on whichever worker has a slot: lease, submit, defer, collect, release.

Every step can be repeated. The database says which jobs of the batch are open and where it was sent; the worker's
program attaches to a batch it knows. So whatever dies in between, the next try goes on where this one stopped.
"""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from piwright.intake import limits as intake_limits
from piwright.intake.receive import receive_build
from piwright.intake.store import FileStore
from piwright.planning import batches, leases, workers
from piwright.planning.needs import STRONG_HASHES
from piwright.settings import Settings
from piwright.worker import (
    BatchSpec,
    BuildSpec,
    Limits,
    SdistSpec,
    StatusAnswer,
    build_worker_zipapp,
    worker_command,
)
from piwright_airflow.database import DATABASE_CONNECTION, task_database
from piwright_airflow.links import IndexLink
from piwright_airflow.remote import WorkerSession, WorkerUnreachable
from piwright_airflow.triggers.batch import BatchTrigger
from piwright_airflow.triggers.slot import SlotTrigger
from piwright_airflow.upstream import upstream_url

_MOST_ROUNDS = 10
"""A batch that had to be sent anew so often meets a fault that another round will not mend."""

_REFUSED_FOR = timedelta(minutes=10)
"""After so long a refused worker is asked again: somebody may have mended it."""

_MOST_STUMBLES = 5
"""Collections in a row that may break off while the worker answers polls, before it counts as lost."""


class WorkerLost(AirflowException):
    """A worker did not answer in time. Airflow tries the task again, and the batch goes to another worker."""


class NoUsableWorker(AirflowFailException):
    """Every worker of a target is refused. Waiting and trying again mend nothing: an operator has to act."""


class WheelBuildOperator(BaseOperator):
    """Builds the open jobs of one batch. A build that fails is recorded, and no fault of the task.

    :param batch_id: the batch, as `plan_batches` made it
    :param contents: what is inside, for people
    """

    template_fields: Sequence[str] = ("batch_id", "contents")
    operator_extra_links = (IndexLink(),)

    def __init__(
        self, *, batch_id: int, contents: str = "", database_connection: str = DATABASE_CONNECTION, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.batch_id = batch_id
        self.contents = contents
        self.database_connection = database_connection

    def execute(self, context: Context) -> int:
        """Begin, or go on where an earlier try stopped. Answers the batch id."""
        return self._advance()

    def resume(self, context: Context, event: dict[str, Any], stumbles: int = 0) -> int:
        """Go on after a trigger fired."""
        if event["kind"] == "lost":
            # The batch stays where it is: the next try looks there first, and goes elsewhere if it is still silent.
            with task_database(self.database_connection) as database:
                batch = batches.read_batch(database, self.batch_id)
                if batch.worker_id is not None:
                    leases.mark_worker(database, batch.worker_id, "lost", str(event["detail"])[:500])
                leases.release_lease(database, self.batch_id)
            raise WorkerLost(f"The worker of batch {self.batch_id} is out of reach: {event['detail']}")
        # "collect", "stopped", "leased" and "refused" all mean: look again.
        return self._advance(stumbles=stumbles, resumed=True)

    def _advance(self, stumbles: int = 0, resumed: bool = False) -> int:
        """One step: collect what is there, send what is open, and defer until there is more."""
        with task_database(self.database_connection) as database:
            batch = batches.read_batch(database, self.batch_id)
        if batch.worker_id is not None and batch.remote_name is not None:
            try:
                self._follow(batch, batch.worker_id, batch.remote_name)
            except WorkerUnreachable as error:
                self.log.warning("%s", error)
                with task_database(self.database_connection) as database:
                    worker = leases.read_worker(database, batch.worker_id)
                if resumed and stumbles < _MOST_STUMBLES:
                    self._wait_for_builds(worker, batch.remote_name, (), stumbles + 1)
                with task_database(self.database_connection) as database:
                    leases.mark_worker(database, batch.worker_id, "lost", str(error)[:500])
                    leases.release_lease(database, self.batch_id)
                    batches.forget_worker(database, self.batch_id)
        with task_database(self.database_connection) as database:
            builds = batches.open_builds(database, self.batch_id)
            if not builds:
                batches.finish_batch(database, self.batch_id)
                leases.release_lease(database, self.batch_id)
                return self.batch_id
        self._look_again_at_refused(batch.target_id, _REFUSED_FOR)
        while True:
            with task_database(self.database_connection) as database:
                lease = leases.take_lease(database, self.batch_id, batch.target_id)
                nobody = None if lease else leases.nobody_may_build(database, batch.target_id)
            if lease is not None:
                self._send(lease, builds)  # returns if the worker is refused now: then another has to do
            elif nobody is None:
                self.log.info("Every worker for %s is busy or away: waiting for a slot.", batch.label)
                self._wait_for_slot(batch.target_id)
            elif not self._look_again_at_refused(batch.target_id, timedelta(0)):
                raise NoUsableWorker(f"No worker may build {batch.label}: {nobody}. Then clear this task.")

    def on_kill(self) -> None:
        """The task was ended while it ran here: end the batch on its worker too."""
        with task_database(self.database_connection) as database:
            batch = batches.read_batch(database, self.batch_id)
            worker = leases.read_worker(database, batch.worker_id) if batch.worker_id else None
        if worker is not None and batch.remote_name is not None:
            with WorkerSession(worker) as session:
                session.cancel(batch.remote_name)
            with task_database(self.database_connection) as database:
                leases.release_lease(database, self.batch_id)

    def _follow(self, batch: batches.Batch, worker_id: int, remote_name: str) -> None:
        """Collect from the worker that has the batch. Returns when it is done with what it was sent; else defers."""
        with task_database(self.database_connection) as database:
            worker = leases.read_worker(database, worker_id)
            # The lease may have expired while nobody looked, and the slot be another batch's by now.
            held = leases.take_lease(database, self.batch_id, batch.target_id, only=worker_id) is not None
        with WorkerSession(worker) as session:
            session.send_program()
            answer = session.status(remote_name)
            self._collect(session, worker, answer)
            collected = [each.build for each in answer.builds if each.state == "done"]
            if answer.state == "dead" and held:
                self.log.warning("The runner of %s on %s is gone: starting it again.", remote_name, worker.name)
                answer = session.run(remote_name)
            with task_database(self.database_connection) as database:
                leases.mark_worker(database, worker_id, "live")
            if answer.state == "running":
                self._wait_for_builds(worker, remote_name, collected)
            with task_database(self.database_connection) as database:
                batches.forget_worker(database, self.batch_id)
                in_use = leases.remote_names_in_use(database, worker_id)
            session.sweep(keep=in_use)

    def _collect(self, session: WorkerSession, worker: leases.Worker, answer: StatusAnswer) -> None:
        """Fetch and record every finished build the database does not have yet, each in a transaction of its own."""
        settings = Settings.from_environment()
        limits = intake_limits.Limits.from_settings(settings)
        with task_database(self.database_connection) as database:
            expected = {each.name: each for each in batches.open_builds(database, self.batch_id)}
        for build in (
            expected[each.build] for each in answer.builds if each.state == "done" and each.build in expected
        ):
            directory = settings.home / "incoming" / answer.batch / build.name
            shutil.rmtree(directory, ignore_errors=True)
            session.fetch_build(answer.batch, build.name, into=directory, limits=limits, alive=self._keep_lease)
            with task_database(self.database_connection) as database:
                received = receive_build(
                    database,
                    job_id=build.job_id,
                    attempt_number=build.number,
                    batch_id=self.batch_id,
                    worker_id=worker.worker_id,
                    directory=directory,
                    store=FileStore(settings.store_directory),
                    limits=limits,
                )
                leases.renew_lease(database, self.batch_id)
                if received.failure_class == "no_sandbox":
                    workers.distrust(database, worker.worker_id)
            shutil.rmtree(directory, ignore_errors=True)
            outcome = received.outcome if received.failure_class is None else f"failed: {received.failure_class}"
            self.log.info("%s %s on %s: %s", build.project, build.version, worker.name, outcome)

    def _keep_lease(self) -> None:
        with task_database(self.database_connection) as database:
            leases.renew_lease(database, self.batch_id)

    def _look_again_at_refused(self, target_id: int, unseen_for: timedelta) -> bool:
        """Ask refused workers what they are by now; False if there are some and none of them may be used."""
        with task_database(self.database_connection) as database:
            refused = leases.refused_workers(database, target_id, unseen_for=unseen_for)
        mended = not refused
        for worker in refused:
            try:
                with WorkerSession(worker) as session:
                    mended = self._probe(session, worker) is None or mended
            except WorkerUnreachable as error:
                self.log.warning("%s", error)
        return mended

    def _probe(self, session: WorkerSession, worker: leases.Worker) -> str | None:
        """Ask a worker what it is and keep it; why nothing is built on it, or None."""
        facts = session.probe()
        with task_database(self.database_connection) as database:
            refusal = workers.store_probe(
                database, worker.worker_id, facts, allowed=Settings.from_environment().allow_unsandboxed
            )
        sandbox = facts.sandbox
        self.log.info(
            "%s: Python %s, %s, sandbox %s (memory by %s, processes by %s, space by %s)",
            *(worker.name, facts.python, facts.distribution),
            *(sandbox.kind, sandbox.memory, sandbox.processes, sandbox.space),
        )
        if refusal:
            self.log.error("%s is refused: %s", worker.name, refusal)
        return refusal

    def _send(self, lease: leases.Lease, builds: Sequence[batches.Build]) -> None:
        """Send the open builds to a leased worker and wait for them. Returns only if the worker is refused."""
        settings = Settings.from_environment()
        worker = lease.worker
        with task_database(self.database_connection) as database:
            batch = batches.read_batch(database, self.batch_id)
            if batch.round >= _MOST_ROUNDS:
                leases.release_lease(database, self.batch_id)
                raise AirflowException(
                    f"Batch {self.batch_id} was sent {batch.round} times and is not done: see its log."
                )
            due = workers.probe_is_due(
                database, worker.worker_id, build_worker_zipapp().version, allowed=settings.allow_unsandboxed
            )
        spec = _batch_spec(settings, lease, batch, builds)
        try:
            with WorkerSession(worker) as session:
                if due and self._probe(session, worker) is not None:
                    with task_database(self.database_connection) as database:
                        leases.release_lease(database, self.batch_id)
                    return
                with task_database(self.database_connection) as database:
                    batches.begin_round(database, self.batch_id, worker.worker_id, spec.batch)
                session.submit(spec)
        except WorkerUnreachable as error:
            with task_database(self.database_connection) as database:
                leases.mark_worker(database, worker.worker_id, "lost", str(error)[:500])
                leases.release_lease(database, self.batch_id)
            raise WorkerLost(str(error)) from error
        with task_database(self.database_connection) as database:
            leases.mark_worker(database, worker.worker_id, "live")
        self.log.info("Sent %d builds to %s as %s: %s", len(builds), worker.name, spec.batch, batch.label)
        self._wait_for_builds(worker, spec.batch, ())

    def _wait_for_slot(self, target_id: int) -> NoReturn:
        trigger = SlotTrigger(batch_id=self.batch_id, target_id=target_id, database_connection=self.database_connection)
        self.defer(trigger=trigger, method_name="resume")
        raise AssertionError("defer() raises")

    def _wait_for_builds(
        self, worker: leases.Worker, remote_name: str, collected: Sequence[str], stumbles: int = 0
    ) -> NoReturn:
        version = build_worker_zipapp().version

        def command(verb: str) -> str:
            return worker_command(worker.python, worker.state_directory, version, verb, remote_name)

        trigger = BatchTrigger(
            batch_id=self.batch_id,
            remote_name=remote_name,
            connection_id=worker.connection_id,
            status_command=command("status"),
            cancel_command=command("cancel"),
            collected=collected,
            database_connection=self.database_connection,
            grace_seconds=Settings.from_environment().worker_grace,
        )
        self.defer(trigger=trigger, method_name="resume", kwargs={"stumbles": stumbles}, timeout=timedelta(days=7))
        raise AssertionError("defer() raises")


def _batch_spec(
    settings: Settings, lease: leases.Lease, batch: batches.Batch, builds: Sequence[batches.Build]
) -> BatchSpec:
    worker = lease.worker
    mark = hashlib.sha256(repr((worker.name, builds)).encode()).hexdigest()[:12]
    return BatchSpec(
        batch=f"{batch.batch_id}-{batch.round + 1}-{mark}",
        index_url=upstream_url(settings),
        python=worker.python,
        limits=Limits(
            seconds=settings.build_timeout,
            silent_seconds=settings.build_silence,
            log_bytes=settings.log_limit,
            wheel_bytes=settings.wheel_limit,
            memory_bytes=settings.build_memory,
            disk_bytes=settings.build_disk,
            processes=settings.build_processes,
            cpu_seconds=settings.build_cpu,
            file_bytes=settings.build_file,
        ),
        builds=tuple(_build_spec(each) for each in builds),
        slot=lease.slot,
        slots=max(worker.slots, lease.slot),  # a worker may have lost slots while this one was in use
        unsandboxed=worker.name in settings.allow_unsandboxed,
    )


def _build_spec(build: batches.Build) -> BuildSpec:
    # 1980 is the first year a zip archive can say.
    epoch = int(build.uploaded_at.timestamp()) if build.uploaded_at else 315532800
    hashes = {name: digest for name, digest in build.hashes.items() if name in STRONG_HASHES}
    sdist = SdistSpec(build.filename, build.url, hashes, build.size)
    return BuildSpec(build.name, build.project, build.version, sdist, epoch, network=build.network)
