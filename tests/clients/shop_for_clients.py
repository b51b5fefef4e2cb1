"""The shop that all clients install from: what it has, what upstream has, and how both are served.

with served_shop(access, directory) as served:
    served.url, served.upstream.count("/simple/upstream-helper/")
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from index.published_shop import Shop, make_wheel
from index.serving import IndexServer
from piwright.database.connection import connect
from piwright.database.provision import Access
from support.upstream import Distribution, LoopbackUpstream

PATIENT = "2026-03-01T00:00:00Z"
"""Before every wheel of the shop was built (2026-03-04)."""

LATER = "2026-04-01T00:00:00Z"

PROJECTS = ("app", "lib", "odd-version")
"""What resolving `app` leads to."""

REASON = 'asks for the "impossible" <1>'


@dataclass(frozen=True)
class Served:
    """The shop as it is served, and an upstream that is nowhere else."""

    shop: Shop
    upstream: LoopbackUpstream
    server: IndexServer

    @property
    def url(self) -> str:
        return f"{self.server.url}/simple/"

    def wheel(self, pattern: str) -> Path:
        """The one served wheel whose name fits."""
        [found] = self.shop.index_root.glob(f"files/*/*/{pattern}")
        return found

    def sha256(self, pattern: str) -> str:
        return hashlib.sha256(self.wheel(pattern).read_bytes()).hexdigest()

    def cost_of_resolving(self, *projects: str) -> int:
        """Bytes of these projects' pages in JSON, packed, and of all metadata that they name."""
        total = 0
        for name in projects:
            page = self.shop.page(name)
            assert page is not None
            total += (self.shop.index_root / "simple" / name / "index.v1_json.gz").stat().st_size
            for file in page["files"]:
                metadata = self.shop.index_root.glob(f"files/*/*/{quote(file['filename'])}.metadata")
                total += sum(path.stat().st_size for path in metadata)
        return total


def ballast(seed: str) -> dict[str, str]:
    """A file that makes a wheel of 64 KiB or more: too large to be overlooked among the bytes that were sent."""
    return {"ballast.txt": "".join(hashlib.sha256(f"{seed}{number}".encode()).hexdigest() for number in range(2000))}


@contextmanager
def served_shop(access: Access, directory: Path) -> Iterator[Served]:
    """Publish and serve it, for as long as the block."""
    with LoopbackUpstream(redirect_to=None) as upstream, connect(access.application) as connection:
        shop = Shop(connection, directory)
        upstream.add(Distribution(*make_wheel("upstream-helper", "2.0")))
        both = [upstream.add(Distribution(*make_wheel("on-both", version))) for version in ("1.0", "1.1")]
        shop.wheel("built-here", "1.5", requires=["upstream-helper>=1", "on-both"])
        shop.wheel("built-here", "1.6", requires=["no-such-project"])
        shop.release("built-here", "1.6", yanked=True, yanked_reason=REASON)
        shop.wheel("on-both", "0.9")
        shop.hold(shop.wheel("built-here", "1.7"))
        # Three projects of our own that lead a resolver back and forth.
        shop.wheel("app", "2.0", requires=["lib>=2,<3", "odd-version"], files=ballast("app"))
        shop.wheel("app", "1.0", requires=["lib<2"], files=ballast("old app"))
        for version in ("1.0", "2.0", "2.1", "3.0"):
            shop.wheel("lib", version, files=ballast(version))
        shop.wheel("odd-version", "1!1.0+pi.1", requires=["lib!=2.1"], files=ballast("odd"))
        shop.wheel("plain", "1.0")
        shop.execute(
            "INSERT INTO network_exception (project_id, reason, allowed_by)"
            " SELECT project_id, %s, 'me' FROM project WHERE name IN ('built-here', 'on-both')",
            ('asks <a href="built_here-9-py3-none-any.whl">a server</a> & "fonts" for things',),
        )
        for each in both:
            shop.upstream_file(
                each.project,
                each.version,
                each.filename,
                url=upstream.file_url(each),
                hashes=f'{{"sha256": "{each.sha256}"}}',
                size=len(each.content),
            )
        shop.publish(upstream_url=upstream.url)
        with IndexServer(shop.index_root, upstream.url) as server:
            yield Served(shop, upstream, server)
