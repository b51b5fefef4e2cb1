"""Our index for a benchmark: made-up wheels published to a folder, served by nginx or by the embedded server.

tree = published(projects, home)
with nginx(tree, home) as index: ...
with embedded(tree, home) as index: ...
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from made_up import MadeUpProject
from made_up_shop import UPSTREAM, made_up_shop
from measure import free_port, program, running
from rivals import Index

from piwright.database.connection import connect
from piwright.index.nginx_configuration import NginxSite, standalone_configuration
from piwright.index.publish import publish
from piwright.index.storage import open_storage
from piwright.settings import Settings

NGINX = "piwright, nginx"
EMBEDDED = "piwright, embedded"
OURS = (NGINX, EMBEDDED)


def published(projects: Sequence[MadeUpProject], home: Path) -> Path:
    """The served tree of a shop with these projects, with the compressed twins a shop has unless told otherwise."""
    tree = home / "tree"
    with made_up_shop(home / "shop") as shop:
        shop.fill(projects)
        with connect(shop.access.application) as connection:
            storage = open_storage(tree, Settings.from_environment({}).encodings)
            report = publish(connection, storage=storage, store_root=shop.store_root, upstream_url=UPSTREAM)
    assert not report.problems, report.problems[:3]
    return tree


@contextmanager
def serving_ours(name: str, tree: Path, home: Path) -> Iterator[Index]:
    """One of `OURS`, until the block ends."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    if name == NGINX:
        site = NginxSite(tree, UPSTREAM, home / "access.log", f"127.0.0.1:{port}")
        (home / "nginx.conf").write_text(standalone_configuration(site, home))
        command = [program("nginx", "apt install nginx-light"), "-c", str(home / "nginx.conf"), "-e", "stderr"]
        if os.geteuid() == 0:
            command += ["-g", "user root;"]  # or its workers cannot read a folder that is this user's alone
    else:
        command = [sys.executable, "-m", "piwright.index.server", "--root", str(tree), "--port", str(port)]
        command += ["--upstream", UPSTREAM, "--access-log", str(home / "access.log")]  # as nginx writes one
    with running(command, port, home / "server.log"):
        yield Index(name, f"http://127.0.0.1:{port}/simple/", port)
