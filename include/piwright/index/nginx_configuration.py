"""Prints nginx's configuration for the index and the site: `deploy/nginx.conf` with its five lines filled in.

    python -m piwright.index.nginx_configuration > /etc/nginx/conf.d/piwright.conf
    python -m piwright.index.nginx_configuration --listen 127.0.0.1:8000 --standalone /tmp/x > /tmp/x/nginx.conf
    nginx -c /tmp/x/nginx.conf -e stderr        # on its own, as an ordinary user, until it gets a signal

What is not given comes from the settings. docs/serving.md says what else an operator decides.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from piwright.index.upstream import read_upstream
from piwright.settings import ROOT, Settings, SettingsError

TEMPLATE = ROOT / "deploy" / "nginx.conf"


class SiteError(ValueError):
    """A value that cannot stand in the configuration; says which, and what would be right."""


@dataclass(frozen=True)
class NginxSite:
    """What an operator decides. `upstream` is a simple index, `listen` and `server_name` are as nginx has them."""

    root: Path
    upstream: str
    access_log: Path
    listen: str = "80"
    server_name: str = "_"


def nginx_configuration(site: NginxSite) -> str:
    """The configuration for the `http` level of an nginx, such as a file of its conf.d. Raises `SiteError`."""
    try:
        upstream = read_upstream(site.upstream)
    except ValueError as error:
        raise SiteError(f"upstream = {error}.") from None
    lines = {
        "    listen 80;": f"    listen {_value('listen', site.listen)};",
        "    server_name _;": f"    server_name {_value('server_name', site.server_name)};",
        "    root /srv/piwright/index;": f"    root {_path('root', site.root)};",
        "    access_log /var/log/nginx/piwright.log piwright;": (
            f"    access_log {_path('access_log', site.access_log)} piwright;"
        ),
        "    set $piwright_upstream;": f"    set $piwright_upstream {_value('upstream', upstream)};",
    }
    text = TEMPLATE.read_text()
    for line, filled in lines.items():
        before, found, after = text.partition(line)
        assert found, f"{TEMPLATE} has no line {line.strip()!r} any more"
        text = before + filled + after
    return text


def standalone_configuration(site: NginxSite, folder: Path) -> str:
    """A configuration for an nginx of its own that stays in the foreground and keeps its files in `folder`."""
    place = _value("folder", str(folder))
    temporary = "\n".join(
        f"    {kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    return f"""daemon off;
worker_processes auto;
pcre_jit on;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{
    worker_connections 1024;
}}
http {{
{temporary}
{nginx_configuration(site)}}}
"""


def _path(field: str, path: Path) -> str:
    return _value(field, str(path.absolute()))


def _value(field: str, value: str) -> str:
    """The value as one or more words of nginx's; none of them ends the directive or is taken for a variable."""
    if not re.fullmatch(r"[A-Za-z0-9._~:/?#\[\]@!&*+,=%\- ]+", value) or (
        " " in value and field not in ("listen", "server_name")
    ):
        raise SiteError(f"{field} = {value!r} cannot be used: nginx reads blanks, quotes, ; {{ }} $ and \\ as its own.")
    return value


def _site(arguments: Sequence[str] | None) -> tuple[NginxSite, Path | None]:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(
        prog="python -m piwright.index.nginx_configuration", description="Print nginx's configuration for the index."
    )
    parser.add_argument("--root", type=Path, default=settings.index_directory, help="the served tree (%(default)s)")
    parser.add_argument("--upstream", default=settings.upstream_url, help="a simple index (that of the settings)")
    parser.add_argument("--access-log", type=Path, default=settings.access_log_file, help="(%(default)s)")
    parser.add_argument("--listen", default="80", help="as nginx's directive (%(default)s)")
    public = urlsplit(settings.public_url or "").hostname
    parser.add_argument("--server-name", default=public or "_", help="as nginx's directive (%(default)s)")
    parser.add_argument(
        "--standalone", type=Path, metavar="FOLDER", help="for an nginx of its own, with its files here"
    )
    options = parser.parse_args(arguments)
    if settings.index_storage and options.root == settings.index_directory:
        parser.error(f"{settings.index_storage} is no directory; docs/serving.md says how a bucket is served")
    site = NginxSite(options.root, options.upstream, options.access_log, options.listen, options.server_name)
    return site, options.standalone


def main(arguments: Sequence[str] | None = None) -> None:
    """Print it; exit code 1 if a value cannot be used, 2 for wrong arguments."""
    try:
        site, folder = _site(arguments)
        text = standalone_configuration(site, folder.absolute()) if folder else nginx_configuration(site)
    except (SettingsError, SiteError) as error:
        sys.exit(str(error))
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
