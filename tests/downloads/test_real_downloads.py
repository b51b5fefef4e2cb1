"""Real pip and uv fetch from both servers; what their logs say is counted as what happened."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from index.published_shop import Shop
from index.serving import SERVERS, UPSTREAM
from piwright.database.connection import Connection, fetch_all
from piwright.downloads.count import count_downloads
from piwright.downloads.rotation import log_files
from support.tools import tool

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))} | {
    "PIP_CONFIG_FILE": os.devnull,
    "UV_NO_CONFIG": "1",
}


def fetch_with(command: list[str], place: Path) -> None:
    ran = subprocess.run(command, cwd=place, env=CLEAN, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("kind", SERVERS)
def test_what_pip_and_uv_fetch_is_counted_once_by_its_target_and_what_they_only_look_at_is_not(
    connection: Connection, tmp_path: Path, kind: str
) -> None:
    shop = Shop(connection, tmp_path)
    filename = shop.wheel("spidev", "3.6")
    shop.wheel("spidev", "3.5")
    shop.publish()
    log = tmp_path / "logs" / "access.log"
    log.parent.mkdir()
    with SERVERS[kind](shop.index_root, UPSTREAM, log) as server:
        index = f"{server.url}/simple/"
        pip = [str(tool("pip==26.3", "pip")), "--no-cache-dir", "--disable-pip-version-check"]
        uv = [str(Path(sys.executable).with_name("uv")), "--no-cache"]
        fetch_with([*pip, "download", "--index-url", index, "spidev", "-d", "by-pip"], tmp_path)
        (tmp_path / "requirements.in").write_text("spidev\n")
        fetch_with([*uv, "pip", "compile", "--default-index", index, "requirements.in"], tmp_path)  # metadata only
        fetch_with([*uv, "pip", "install", "--default-index", index, "--target", "by-uv", "spidev"], tmp_path)
        path = next(shop.index_root.glob(f"files/*/*/{filename}")).relative_to(shop.index_root).as_posix()
        whole = server.get(f"/{path}").body
        assert server.get(f"/{path}", Range="bytes=0-99").status == 206  # the first part of a download in parts
        assert server.get(f"/{path}", Range=f"bytes=100-{len(whole)}").status == 206
        assert server.get(f"/{path}", method="HEAD").status == 200
    report = count_downloads(connection, log_files(log))
    assert report.problems == []
    assert report.unreadable == 0
    assert report.strangers == 0
    rows = fetch_all(
        connection, "SELECT filename, installer, python, target, downloads FROM download JOIN wheel USING (wheel_id)"
    )
    connection.commit()
    assert {row.filename for row in rows} == {filename}
    assert {row.installer: row.downloads for row in rows} == {"pip": 1, "uv": 1, "other": 2}
    version = "{}.{}".format(*sys.version_info)
    for row in rows:
        if row.installer != "other":
            assert row.python == version
            assert f"cp{version.replace('.', '')}" in row.target
            assert row.target.endswith(platform.machine())
