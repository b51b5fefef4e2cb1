"""What runs on the Pi, and how the controller speaks to it.

`program` is the worker program (standard library only, Python 3.9 or newer, shipped as one zipapp); `zipapp` packs it.
Specs and answers are the same classes on both ends:

    BatchSpec(batch="17-1", index_url=..., python="/usr/bin/python3.11", limits=Limits(...), builds=(...)).to_json()
    StatusAnswer.from_json(line).done
"""

from piwright.worker.program.protocol import (
    BatchSpec,
    BuildSpec,
    BuildStatus,
    Limits,
    SdistSpec,
    StatusAnswer,
    WorkerRefusal,
)
from piwright.worker.program.strict import ProtocolError
from piwright.worker.zipapp import WorkerZipapp, build_worker_zipapp, worker_command, worker_path

__all__ = [
    "BatchSpec",
    "BuildSpec",
    "BuildStatus",
    "Limits",
    "ProtocolError",
    "SdistSpec",
    "StatusAnswer",
    "WorkerRefusal",
    "WorkerZipapp",
    "build_worker_zipapp",
    "worker_command",
    "worker_path",
]
