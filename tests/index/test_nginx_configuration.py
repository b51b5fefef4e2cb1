"""nginx's configuration, filled in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving import require_nginx

from piwright.index.nginx_configuration import (
    TEMPLATE,
    NginxSite,
    SiteError,
    main,
    nginx_configuration,
    standalone_configuration,
)

UPSTREAM = "http://upstream.invalid/simple/"


def site(**values: object) -> NginxSite:
    given = {"root": Path("/srv/tree"), "upstream": UPSTREAM, "access_log": Path("/var/log/x.log")} | values
    return NginxSite(**given)  # type: ignore[arg-type]


def test_what_an_operator_decides_is_filled_in() -> None:
    text = nginx_configuration(site(listen="443 ssl http2", server_name="wheels.invalid www.wheels.invalid"))
    for line in (
        "listen 443 ssl http2;",
        "server_name wheels.invalid www.wheels.invalid;",
        "root /srv/tree;",
        "access_log /var/log/x.log piwright;",
        f"set $piwright_upstream {UPSTREAM};",
    ):
        assert text.count(f"\n    {line}") == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("root", Path("/srv/a b")),
        ("root", Path("/srv/a;b")),
        ("root", Path("/srv/$host")),
        ("access_log", Path("/var/log/{x}")),
        ("listen", "80; include /etc/passwd"),
        ("server_name", 'x" y'),
        ("upstream", "ftp://upstream.invalid/"),
        ("upstream", "http://upstream.invalid/;x"),
        ("upstream", "http://user:secret@upstream.invalid/"),
        ("upstream", "http://upstream.invalid/$host/"),
    ],
)
def test_a_value_that_nginx_would_misread_is_named(field: str, value: object) -> None:
    with pytest.raises(SiteError, match=f"{field} = "):
        nginx_configuration(site(**{field: value}))


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(SiteError, match=r"upstream = 'http://\*\*\*@upstream.invalid/' cannot be used") as refused:
        nginx_configuration(site(upstream="http://user:hunter2@upstream.invalid/"))
    assert "hunter2" not in str(refused.value)


def test_nginx_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    program = require_nginx()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(standalone_configuration(site(root=tmp_path, access_log=tmp_path / "log"), tmp_path))
    tried = subprocess.run([program, "-t", "-c", str(configuration), "-e", "stderr"], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
    assert [line for line in tried.stderr.splitlines() if "[warn]" in line or "[emerg]" in line] == []


def test_nginx_refuses_what_nobody_filled_in(tmp_path: Path) -> None:
    program = require_nginx()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"pid {tmp_path}/pid; events {{}} http {{ include {TEMPLATE}; }}")
    tried = subprocess.run([program, "-t", "-c", str(configuration), "-e", "stderr"], capture_output=True, text=True)
    assert tried.returncode != 0
    assert '"set"' in tried.stderr


def test_it_is_printed_from_the_settings(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIWRIGHT_")}
    environment |= {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PIWRIGHT_HOME": str(tmp_path),
        "PIWRIGHT_UPSTREAM_URL": UPSTREAM,
        "PIWRIGHT_PUBLIC_URL": "https://wheels.invalid",
    }
    command = [sys.executable, "-m", "piwright.index.nginx_configuration", "--listen", "8080"]
    printed = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    for line in (
        "listen 8080;",
        "server_name wheels.invalid;",
        f"root {tmp_path}/index;",
        f"access_log {tmp_path}/logs/access.log piwright;",
    ):
        assert f"    {line}\n" in printed
    environment["PIWRIGHT_INDEX_STORAGE"] = "s3://bucket/prefix"
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert refused.returncode == 2
    assert "docs/serving.md" in refused.stderr


def test_a_wrong_value_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIWRIGHT_UPSTREAM_URL", UPSTREAM)
    with pytest.raises(SystemExit, match="listen = 'x;y' cannot be used"):
        main(["--listen", "x;y"])
