"""The page of the farm: workers, queue, failures of the last day, how fresh the pages are; and the same as JSON.

render_status(read_farm(connection))
status_json(farm)
"""

from piwright.intake.failure_classes import CLASSES
from piwright.site.farm import Farm
from piwright.site.home import as_json
from piwright.site.page_environment import render
from piwright.site.project_json import iso


def render_status(farm: Farm) -> bytes:
    """The page at /status/. Times are given as such, not as time passed."""
    return render("status.html", depth=1, farm=farm, meanings={name: each.meaning for name, each in CLASSES.items()})


def status_json(farm: Farm) -> bytes:
    """Everything the page shows; docs/site.md has the fields."""
    return as_json(
        {
            "as_of": iso(farm.as_of),
            "workers": [
                {
                    "name": worker.name,
                    "target": worker.target,
                    "state": worker.state,
                    "reason": worker.reason,
                    "slots": worker.slots,
                    "seen": iso(worker.seen_at),
                    "cores": worker.cores,
                    "memory": worker.memory,
                    "disk_free": worker.disk_free,
                    "builds": worker.builds,
                    "failed": worker.failed,
                    "building": [
                        {
                            "slot": lease.slot,
                            "batch": lease.label,
                            "project": lease.project,
                            "version": lease.version,
                            "since": iso(lease.taken_at),
                        }
                        for lease in worker.leases
                    ],
                }
                for worker in farm.workers
            ],
            "queues": [
                {
                    "target": queue.target,
                    "waiting": queue.waiting,
                    "building": queue.building,
                    "slots": queue.slots,
                    "seconds": None if queue.seconds is None else round(queue.seconds),
                }
                for queue in farm.queues
            ],
            "last_day": {
                "until": iso(farm.until),
                "built": farm.built,
                "failures": dict(farm.failures),
            },
            "index": {
                "due": farm.due,
                "due_since": iso(farm.due_since),
                "held": farm.held,
                "newest": iso(farm.newest),
            },
        }
    )
