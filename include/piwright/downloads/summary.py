"""What the counts say of one project, for a person.

read_downloads(connection, "spidev")        # None: the shop does not know it
"""

from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from packaging.utils import canonicalize_name

from piwright.database.connection import Connection, fetch_all, fetch_one

# By project_name_key.
FIND_PROJECT = "SELECT project_id, name FROM project WHERE name = %s"

# By project_download_pkey.
BY_DAY = "SELECT day, downloads FROM project_download WHERE project_id = %s ORDER BY day"

# By release_project_id_version_key, wheel_release and download_pkey.
BY_CLIENT = """
SELECT w.filename, d.target, d.python, d.installer, sum(d.downloads)::bigint AS downloads
FROM release r JOIN wheel w USING (release_id) JOIN download d USING (wheel_id)
WHERE r.project_id = %s AND d.day >= %s
GROUP BY w.filename, d.target, d.python, d.installer
"""

RECENT_DAYS = 30


@dataclass(frozen=True)
class ProjectDownloads:
    """Downloads of a project: of all time by day, and those of the last 30 days by what was fetched by whom."""

    name: str
    total: int
    recent: int
    days: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    targets: dict[str, int] = field(default_factory=dict)
    pythons: dict[str, int] = field(default_factory=dict)
    installers: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As data for programs; what clients did not say has an empty name."""
        return asdict(self)


def read_downloads(connection: Connection, name: str, today: date) -> ProjectDownloads | None:
    """The counts of a project until `today` (UTC)."""
    project = fetch_one(connection, FIND_PROJECT, (canonicalize_name(name),))
    if project is None:
        return None
    since = today - timedelta(days=RECENT_DAYS - 1)
    days = {row.day: row.downloads for row in fetch_all(connection, BY_DAY, (project.project_id,))}
    rows = fetch_all(connection, BY_CLIENT, (project.project_id, since))

    def by(attribute: str) -> dict[str, int]:
        sums: dict[str, int] = {}
        for row in rows:
            key = getattr(row, attribute)
            sums[key] = sums.get(key, 0) + row.downloads
        return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))

    return ProjectDownloads(
        name=project.name,
        total=sum(days.values()),
        recent=sum(count for day, count in days.items() if day >= since),
        days={day.isoformat(): count for day, count in days.items()},
        files=by("filename"),
        targets=by("target"),
        pythons=by("python"),
        installers=by("installer"),
    )
