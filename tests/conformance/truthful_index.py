"""A small index that keeps to every standard, and can be told one lie.

    with served(Lie(reply=lambda ask, reply: ...)) as url:
        report = asyncio.run(check_index(url))

What it says is a model (`Content`); a lie changes the model, or the reply to some requests, and nothing else.
"""

import asyncio
import gzip
import hashlib
import html
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
PYTHON = ">=3.9,<4"
PAGE, FILE = "public, max-age=600", "public, max-age=31536000, immutable"


def wheel(name: str, version: str, tag: str = "py3-none-any", filler: int = 0) -> tuple[str, bytes, bytes]:
    """(file name, bytes, its METADATA)"""
    module = name.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: {PYTHON}\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{module}-{version}.dist-info/METADATA"), metadata)
        archive.writestr(zipfile.ZipInfo(f"{module}.py"), "#" * filler)
    return f"{module}-{version}-{tag}.whl", packed.getvalue(), metadata


@dataclass
class Content:
    """What the index has: project pages as JSON says them, and the bytes at each path."""

    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, content: bytes, filename: str, **more: Any) -> None:
        path = f"/files/{filename}"
        self.files[path] = content
        page = self.pages.setdefault(
            name,
            {
                "meta": {"api-version": "1.4"},
                "name": name,
                "project-status": {"status": "active"},
                "versions": [],
                "files": [],
            },
        )
        if version not in page["versions"]:
            page["versions"].append(version)
        page["files"].append(
            {
                "filename": filename,
                "url": f"../../files/{quote(filename)}",
                "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                "size": len(content),
                "upload-time": "2026-03-04T05:06:07.000089Z",
                "yanked": False,
                "provenance": None,
            }
            | more
        )

    def add_wheel(self, name: str, version: str, **more: Any) -> None:
        filename, content, metadata = wheel(name, version)
        self.files[f"/files/{filename}.metadata"] = metadata
        announced = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}, "requires-python": PYTHON}
        self.add(name, version, content, filename, **announced | more)

    def file(self, name: str = "spi-dev", number: int = 0) -> dict[str, Any]:
        return self.pages[name]["files"][number]


def truth() -> Content:
    """Something of everything, so that no check finds nothing to look at."""
    content = Content()
    content.add_wheel("spi-dev", "3.6", provenance="https://x.invalid/p")
    content.add_wheel("spi-dev", "1!2.0+pi.1")
    content.add_wheel("spi-dev", "3.7rc1", yanked='breaks "GPIO" <4>')
    content.add("spi-dev", "3.6", b"an sdist, more or less " * 9, "spi_dev-3.6.tar.gz")
    content.pages["spi-dev"]["project-status"] = {"status": "archived", "reason": "done & dusted"}
    content.add_wheel("other", "1.0")
    content.add("other", "1.0.post1", b"an sdist from before the standard", "other-1.0-1.tar.gz")
    content.add_wheel("closed", "1.0")
    content.pages["closed"] |= {"files": [], "project-status": {"status": "quarantined", "reason": "malware"}}
    content.names = sorted(content.pages)
    return content


@dataclass(frozen=True)
class Ask:
    """A request."""

    method: str
    path: str
    accept: str | None
    encoding: str
    headers: dict[str, str]

    @property
    def is_page(self) -> bool:
        return self.path.startswith("/simple/")

    @property
    def is_root(self) -> bool:
        return self.path == "/simple/"


@dataclass(frozen=True)
class Reply:
    """A response; `plain` is the body before it is packed and cut."""

    status: int
    headers: dict[str, str]
    plain: bytes

    def with_headers(self, **headers: str) -> "Reply":
        return replace(self, headers=self.headers | {name.replace("_", "-"): value for name, value in headers.items()})

    def without(self, *names: str) -> "Reply":
        return replace(self, headers={name: value for name, value in self.headers.items() if name not in names})

    def saying(self, old: bytes, new: bytes) -> "Reply":
        """With other words in its body."""
        return replace(self, plain=self.plain.replace(old, new))

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("Content-Type", "")

    @property
    def is_json(self) -> bool:
        return "json" in self.headers.get("Content-Type", "")


Change = Callable[[Ask, Reply], Reply]


def _no_change(ask: Ask, reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True)
class Lie:
    """`content` changes what the index has; `asked` what it understands of a request; `reply` what is said before it
    is packed, tagged and cut to a range; `sent` what finally goes out."""

    content: Callable[[Content], object] = lambda content: None
    asked: Callable[[Ask], Ask] = lambda ask: ask
    reply: Change = _no_change
    sent: Change = _no_change


def weights(accept: str | None) -> dict[str, float]:
    found = {}
    for each in (accept or "*/*").split(","):
        name, _, quality = each.partition(";")
        found[name.strip()] = float(quality.partition("=")[2] or 1)
    return found


def chosen_type(accept: str | None) -> str | None:
    wanted = {name.replace(".latest+", ".v1+"): weight for name, weight in weights(accept).items()}
    weighed = [(wanted.get(name, wanted.get("*/*", 0) / 2), name) for name in ("text/html", HTML_TYPE, JSON_TYPE)]
    if wanted.get("*/*") and not set(wanted) & {"text/html", HTML_TYPE} and not wanted.get(JSON_TYPE):
        return "text/html"
    weight, name = max(weighed, key=lambda each: each[0])
    return name if weight else None


def root_html(names: list[str]) -> str:
    links = "".join(f'<a href="{name}/">{name}</a>\n' for name in names)
    return f'<!DOCTYPE html>\n<meta name="pypi:repository-version" content="1.4"><title>Index</title>\n{links}'


def page_html(page: dict[str, Any]) -> str:
    status = page["project-status"]
    metas = [("pypi:repository-version", page["meta"]["api-version"]), ("pypi:project-status", status["status"])]
    metas += [("pypi:project-status-reason", status["reason"])] if "reason" in status else []
    lines = [f'<meta name="{name}" content="{html.escape(value)}">' for name, value in metas]
    for file in page["files"]:
        attributes = {"href": f"{file['url']}#sha256={file['hashes'].get('sha256', '')}"}
        if file.get("requires-python"):
            attributes["data-requires-python"] = file["requires-python"]
        if file["yanked"]:
            attributes["data-yanked"] = file["yanked"] if isinstance(file["yanked"], str) else ""
        if file.get("core-metadata"):
            value = "=".join(*file["core-metadata"].items()) if isinstance(file["core-metadata"], dict) else "true"
            attributes |= {"data-core-metadata": value, "data-dist-info-metadata": value}
        if file["provenance"]:
            attributes["data-provenance"] = file["provenance"]
        written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
        lines.append(f"<a {written}>{html.escape(file['filename'])}</a><br>")
    return "<!DOCTYPE html>\n<title>Links</title>\n" + "\n".join(lines) + "\n"


class TruthfulIndex:
    """Answers requests; `lie` is the one thing that is not so."""

    def __init__(self, lie: Lie) -> None:
        self.lie = lie
        self.content = truth()
        lie.content(self.content)

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        ask = self.lie.asked(
            Ask(
                request.method,
                unquote(request.rel_url.raw_path),
                request.headers.get("Accept"),
                request.headers.get("Accept-Encoding", ""),
                {name.lower(): value for name, value in request.headers.items()},
            )
        )
        reply = self.lie.sent(ask, finished(ask, self.lie.reply(ask, self.answer(ask))))
        return web.Response(status=reply.status, body=reply.plain, headers=reply.headers)

    def answer(self, ask: Ask) -> Reply:
        """What is at a path."""
        if ask.path.startswith("/files/") and ask.path in self.content.files:
            kind = "text/plain" if ask.path.endswith(".metadata") else "application/octet-stream"
            headers = {"Content-Type": kind, "Cache-Control": FILE, "Accept-Ranges": "bytes"}
            return Reply(200, headers, self.content.files[ask.path])
        if ask.path == "/simple":
            return redirect("/simple/")
        name = ask.path.removeprefix("/simple/").rstrip("/")
        normalised = name.lower().replace("_", "-").replace(".", "-").replace("--", "-")
        if ask.is_page and normalised in self.content.pages and ask.path != f"/simple/{normalised}/":
            return redirect(f"/simple/{normalised}/")
        if not ask.is_root and normalised not in self.content.pages:
            return Reply(404, {"Content-Type": "text/plain"}, b"not found\n")
        kind = chosen_type(ask.accept)
        if kind is None:
            return Reply(406, {"Content-Type": "text/plain"}, b"not acceptable\n")
        if ask.is_root:
            names = self.content.names
            data: Any = {"meta": {"api-version": "1.4"}, "projects": [{"name": each} for each in names]}
            body = json.dumps(data) if kind == JSON_TYPE else root_html(names)
        else:
            page = self.content.pages[name]
            body = json.dumps(page) if kind == JSON_TYPE else page_html(page)
        return Reply(
            200, {"Content-Type": kind, "Cache-Control": PAGE, "Vary": "Accept, Accept-Encoding"}, body.encode()
        )


def redirect(location: str) -> Reply:
    return Reply(301, {"Location": location}, b"")


def finished(ask: Ask, reply: Reply) -> Reply:
    """Packed, tagged, and cut to the range asked for; or 304."""
    if reply.status != 200:
        return reply
    if ask.is_page and weights(ask.encoding or "identity").get("gzip"):
        reply = replace(reply.with_headers(Content_Encoding="gzip"), plain=gzip.compress(reply.plain, mtime=0))
    tag = f'"{hashlib.sha256(reply.plain + reply.headers["Content-Type"].encode()).hexdigest()[:20]}"'
    reply = reply.with_headers(ETag=tag)
    known = ask.headers.get("if-none-match", "")
    if tag in known:
        return replace(reply.without("Content-Encoding"), status=304, plain=b"")
    wanted = ask.headers.get("range", "")
    if ask.is_page or not wanted.startswith("bytes=") or ask.headers.get("if-range", tag) != tag:
        return reply
    size = len(reply.plain)
    first, last = wanted.removeprefix("bytes=").split("-")
    start, stop = (int(first), min(int(last or size) + 1, size)) if first else (size - int(last), size)
    if first and last and int(last) < int(first):
        return reply
    if start >= size:
        return replace(reply.with_headers(Content_Range=f"bytes */{size}"), status=416, plain=b"")
    reply = reply.with_headers(Content_Range=f"bytes {start}-{stop - 1}/{size}")
    return replace(reply, status=206, plain=reply.plain[start:stop])


@contextmanager
def served(lie: Lie | None = None) -> Iterator[str]:
    """The address of the index, for as long as the block."""
    with serving(TruthfulIndex(lie or Lie()).respond) as base:
        yield f"{base}/simple/"


@contextmanager
def serving(respond: Callable[[web.BaseRequest], Any]) -> Iterator[str]:
    """The address of a server on loopback in a thread of its own, without a slash at its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=30)

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(respond, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def stop() -> None:
        await runner.cleanup()
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:  # answers that never end, on purpose
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    runner = run(start())
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        run(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
