"""A shop on a real database and real directories: its rows are made in one line, its wheels are real wheels.

shop = Shop(connection, tmp_path)
shop.wheel("spidev", "3.6")
shop.publish()
shop.check_tree()      # every link of ours on every page leads to the right bytes
"""

import base64
import gzip
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from packaging.tags import parse_tag

from piwright.database.connection import Connection, Json, fetch_all, fetch_one
from piwright.index.offer import hold_wheel
from piwright.index.publish import PublishReport, publish
from piwright.index.storage import Storage
from piwright.index.storage_directory import DirectoryStorage
from piwright.intake.store import FileStore

TAGS = ("cp311-cp311-linux_armv7l", "cp311-cp311-manylinux_2_36_armv7l", "py3-none-any", "py2-none-any")
"""What targets of the shop can install."""

INDEXES = ("simple", "extra/simple", "here/simple")
"""The indexes of a shop with the one target `here`."""

UPSTREAM = "http://upstream.invalid/simple/"
BUILT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def make_wheel(
    name: str,
    version: str,
    tag: str = "py3-none-any",
    *,
    build: str = "",
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> tuple[str, bytes]:
    """(file name, bytes) of a valid wheel with one module named as the project."""
    module = name.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    contents = {
        f"{module}.py": f"VERSION = {version!r}\n",
        **(files or {}),
        f"{module}-{version}.dist-info/METADATA": metadata,
        f"{module}-{version}.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {str(tag.endswith('any')).lower()}\n"
            + (f"Build: {build}\n" if build else "")
            + f"Tag: {tag}\n"
        ),
    }
    record = f"{module}-{version}.dist-info/RECORD"
    lines = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}")
    contents[record] = "\n".join([*lines, f"{record},,"]) + "\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    parts = [module, version, *([build] if build else []), tag]
    return "-".join(parts) + ".whl", packed.getvalue()


class Shop:
    """Rows and files of a shop below `home`; every change of what a page says marks the project as stale."""

    def __init__(self, connection: Connection, home: Path) -> None:
        self.connection = connection
        self.store = FileStore(home / "store")
        self.index_root = home / "index"
        self.storage: Storage = DirectoryStorage(self.index_root)

    def execute(self, statement: str, parameters: Any = None) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
        self.connection.commit()

    def value(self, statement: str, *parameters: Any) -> Any:
        row = fetch_one(self.connection, statement, parameters)
        self.connection.commit()
        return row[0] if row else None

    def project(self, name: str, **columns: Any) -> int:
        """Make the project, or change its columns; stale either way."""
        self.execute("INSERT INTO project (name, display_name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, name))
        for column, value in columns.items():
            self.execute(f"UPDATE project SET {column} = %s WHERE name = %s", (value, name))
        self.execute("UPDATE project SET stale_since = clock_timestamp() WHERE name = %s", (name,))
        return int(self.value("SELECT project_id FROM project WHERE name = %s", name))

    def release(self, name: str, version: str, **columns: Any) -> int:
        project = self.project(name)
        self.execute(
            "INSERT INTO release (project_id, version, original_version) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (project, version, version),
        )
        find = "SELECT release_id FROM release WHERE project_id = %s AND version = %s"
        release = int(self.value(find, project, version))
        for column, value in columns.items():
            self.execute(f"UPDATE release SET {column} = %s WHERE release_id = %s", (value, release))
        return release

    def upstream_file(self, name: str, version: str, filename: str, **columns: Any) -> str:
        """List a file upstream; its address is returned."""
        values = {
            "release_id": self.release(name, version),
            "filename": filename,
            "kind": "wheel" if filename.endswith(".whl") else "sdist",
            "url": f"http://files.invalid/{filename}",
            "hashes": Json({"sha256": hashlib.sha256(filename.encode()).hexdigest()}),
        } | columns
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.execute(f"INSERT INTO upstream_file ({names}) VALUES ({places})", tuple(values.values()))
        return str(values["url"])

    def job(self, name: str, version: str, target: str = "here", state: str = "built") -> int:
        release = self.release(name, version)
        self.execute(
            "INSERT INTO target (name, distribution, python, architecture, tags) VALUES (%s, %s, '3.11', 'x', %s)"
            " ON CONFLICT DO NOTHING",
            (target, target.partition("-")[0], list(TAGS)),
        )
        self.execute(
            "INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)"
            " SELECT %s, target_id, 1, 1, %s FROM target WHERE name = %s"
            " ON CONFLICT (release_id, target_id) DO UPDATE SET state = excluded.state",
            (release, state, target),
        )
        find = "SELECT job_id FROM job JOIN target USING (target_id) WHERE release_id = %s AND name = %s"
        return int(self.value(find, release, target))

    def attempt(self, job: int, failure: str | None = None, **columns: Any) -> int:
        number = self.value("SELECT coalesce(max(number), 0) + 1 FROM attempt WHERE job_id = %s", job)
        values = {
            "job_id": job,
            "number": number,
            "outcome": "failed" if failure else "built",
            "failure_class": failure,
            "started_at": BUILT,
            "finished_at": BUILT,
        } | columns
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.execute(f"INSERT INTO attempt ({names}) VALUES ({places})", tuple(values.values()))
        return int(self.value("SELECT attempt_id FROM attempt WHERE job_id = %s AND number = %s", job, number))

    def wheel(
        self,
        name: str,
        version: str,
        tag: str = "py3-none-any",
        *,
        built_at: datetime = BUILT,
        target: str = "here",
        facts: Mapping[str, Any] | None = None,
        apt: Sequence[str] = (),
        **made_of: Any,
    ) -> str:
        """Build, store and record a wheel of ours; its file name is returned."""
        filename, content = make_wheel(name, version, tag, **made_of)
        fresh = self.store.root.parent / filename
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        stored = self.store.put_wheel(fresh, filename)
        fresh.unlink()
        metadata = self.store.metadata_path(stored.sha256, filename).read_bytes()
        self.execute(
            "INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, facts,"
            " apt_packages) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                self.attempt(self.job(name, version, target)),
                self.release(name, version),
                filename,
                stored.sha256,
                stored.size,
                [str(each) for each in parse_tag(tag)],
                hashlib.sha256(metadata).hexdigest(),
                built_at,
                Json(dict(facts or {})),
                list(apt),
            ),
        )
        return filename

    def hold(self, filename: str) -> None:
        hold_wheel(self.connection, filename, reason="test", by="test")
        self.connection.commit()

    def remove_wheel(self, filename: str) -> None:
        self.execute("UPDATE wheel SET removed_at = now(), removed_reason = 'test' WHERE filename = %s", (filename,))
        self.execute(
            "UPDATE project SET stale_since = clock_timestamp() WHERE project_id ="
            " (SELECT project_id FROM release JOIN wheel USING (release_id) WHERE filename = %s)",
            (filename,),
        )

    def publish(self, **options: Any) -> PublishReport:
        given = {"storage": self.storage, "store_root": self.store.root, "upstream_url": UPSTREAM}
        return publish(self.connection, **given | options)

    def stale(self) -> list[str]:
        rows = fetch_all(self.connection, "SELECT name FROM project WHERE stale_since IS NOT NULL ORDER BY name")
        self.connection.commit()
        return [row.name for row in rows]

    def page(self, name: str, index: str = "simple") -> dict[str, Any] | None:
        """A project's page as JSON; None if there is none."""
        path = self.index_root / index / name / "index.v1_json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def filenames(self, name: str, index: str = "simple") -> list[str]:
        page = self.page(name, index)
        return [file["filename"] for file in page["files"]] if page else []

    def check_tree(self) -> int:
        return check_tree(self.index_root)


def check_tree(root: Path) -> int:
    """Follow every link on every page below `root`; how many wheels of ours were found. Fails on the first lie."""
    found = 0
    for page in _pages(root):
        for link in _links(page):
            assert not (lie := _lie(root, page, link)), lie
            found += link[1] is not None and not urlsplit(link[0]).scheme
    return found


def crawl(root: Path) -> int:
    """The same while the tree changes: what a page named a moment ago may be gone, if the page does not name it any more."""
    followed = 0
    for page in _pages(root):
        try:
            for link in _links(page):
                tries = 0
                while lie := _lie(root, page, link):
                    tries += 1
                    if link not in _links(page):
                        break
                    assert tries < 3, lie
                followed += 1
        except FileNotFoundError:
            continue  # the page itself is gone
    return followed


Link = tuple[str, str | None, str | None]


def _pages(root: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.startswith("index.") and Path(folder) != root]
    return sorted(found)


def _links(page: Path) -> list[Link]:
    content = gzip.decompress(page.read_bytes()) if page.suffix == ".gz" else page.read_bytes()
    return _json_links(content) if "v1_json" in page.name else _html_links(content)


def _lie(root: Path, page: Path, link: Link) -> str | None:
    """What is wrong with a link; None if nothing is."""
    url, sha256, metadata_sha256 = link
    if sha256 is None:  # a name without a page in a complete index is looked for upstream
        missing = page.parent == root / "extra/simple" and not (page.parent / url / "index.html").is_file()
        return f"{page} lists {url}, which has no page" if missing else None
    if urlsplit(url).scheme:
        return None
    wheel = page.parent / unquote(url)
    try:
        contents = wheel.read_bytes(), wheel.with_name(wheel.name + ".metadata").read_bytes()
    except FileNotFoundError as error:
        return f"{page} names {url}, but {error.filename} is not there"
    if [hashlib.sha256(content).hexdigest() for content in contents] != [sha256, metadata_sha256]:
        return f"{page} names {url} with other hashes"
    return None


@lru_cache(maxsize=1000)
def _json_links(content: bytes) -> list[Link]:
    page = json.loads(content)
    if "projects" in page:
        return [(f"{each['name']}/", None, None) for each in page["projects"]]
    return [
        (file["url"], file["hashes"].get("sha256", ""), (file["core-metadata"] or {}).get("sha256"))
        for file in page["files"]
    ]


@lru_cache(maxsize=1000)
def _html_links(content: bytes) -> list[Link]:
    links: list[Link] = []
    for anchor in BeautifulSoup(content, "html.parser").find_all("a"):
        url, _, fragment = str(anchor["href"]).partition("#")
        metadata = str(anchor.get("data-core-metadata", ""))
        sha256 = fragment.removeprefix("sha256=") if fragment else None
        links.append((url, sha256, metadata.removeprefix("sha256=")))
    return links
