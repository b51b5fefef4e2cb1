"""An upstream of the test's own: sdists made on the spot, and a simple index on loopback that serves them.

    with LoopbackUpstream() as upstream:
        upstream.add(make_sdist("demo", "1.0", "c-extension"))
        upstream.url                      # http://127.0.0.1:PORT/simple/, JSON 1.4 and HTML
        upstream.count("/simple/demo/")   # how often it was asked for

Projects it does not hold are redirected to the real upstream, so that build requirements resolve.
"""

import dataclasses
import gzip
import hashlib
import html
import io
import json
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from pypi_simple import PYPI_SIMPLE_ENDPOINT

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
SETUPTOOLS_PYPROJECT = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
UPLOADED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Distribution:
    """A file for the index: its name and its bytes."""

    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def project(self) -> str:
        """The normalised name of the project it belongs to."""
        if self.filename.endswith(".whl"):
            return parse_wheel_filename(self.filename)[0]
        return parse_sdist_filename(self.filename)[0]

    @property
    def version(self) -> str:
        if self.filename.endswith(".whl"):
            return str(parse_wheel_filename(self.filename)[1])
        return str(parse_sdist_filename(self.filename)[1])


def make_sdist(name: str, version: str, kind: str = "pure", files: Mapping[str, str] | None = None) -> Distribution:
    """A `.tar.gz` source distribution, the same bytes every time.

    `kind` is one of `SDIST_KINDS`; `files` (path below the top folder -> text) adds to it or replaces parts of it.
    """
    module = canonicalize_name(name).replace("-", "_")
    contents = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        **SDIST_KINDS[kind](name, version, module),
        **(files or {}),
    }
    return Distribution(f"{module}-{version}.tar.gz", pack_sdist(f"{module}-{version}", contents))


def pack_sdist(top: str, files: Mapping[str, str]) -> bytes:
    """The files as a gzipped tar below the folder `top`."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{path}")
            data = text.encode()
            member.size, member.mtime, member.mode = len(data), int(UPLOADED.timestamp()), 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def _pure(name: str, version: str, module: str) -> dict[str, str]:
    return {
        "pyproject.toml": f'{SETUPTOOLS_PYPROJECT}\n[project]\nname = "{name}"\nversion = "{version}"\n'
        f'\n[tool.setuptools]\npy-modules = ["{module}"]\n',
        f"{module}.py": f'VERSION = "{version}"\n\n\ndef answer():\n    return 42\n',
    }


def _c_extension(name: str, version: str, module: str) -> dict[str, str]:
    return {
        "setup.py": "from setuptools import Extension, setup\n\n"
        f'setup(name="{name}", version="{version}", ext_modules=[Extension("{module}", ["{module}.c"])])\n',
        f"{module}.c": C_SOURCE.replace("MODULE", module),
    }


def _failing(name: str, version: str, module: str) -> dict[str, str]:
    return {
        "setup.py": 'raise RuntimeError("this project needs libquux, see its installation notes")\n',
        "pyproject.toml": SETUPTOOLS_PYPROJECT,
    }


def _hanging(name: str, version: str, module: str) -> dict[str, str]:
    return {
        "setup.py": 'import time\n\nprint("asking a licence server", flush=True)\nwhile True:\n    time.sleep(60)\n',
        "pyproject.toml": SETUPTOOLS_PYPROJECT,
    }


SDIST_KINDS = {"pure": _pure, "c-extension": _c_extension, "failing": _failing, "hanging": _hanging}
"""What `make_sdist` can make; a C extension has a function `answer()` that returns 42 and no pyproject.toml."""

C_SOURCE = """\
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *ignored) { return PyLong_FromLong(42); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "The answer."}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "MODULE", NULL, -1, methods};

PyMODINIT_FUNC PyInit_MODULE(void) { return PyModule_Create(&definition); }
"""


@dataclass(frozen=True)
class Listing:
    """A file as the index lists it."""

    distribution: Distribution
    upload_time: datetime
    yanked: str | None = None
    requires_python: str | None = None

    def to_json(self, base: str) -> dict[str, Any]:
        entry = {
            "filename": self.distribution.filename,
            "url": f"{base}/files/{self.distribution.filename}",
            "hashes": {"sha256": self.distribution.sha256},
            "size": len(self.distribution.content),
            "upload-time": self.upload_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "yanked": False if self.yanked is None else self.yanked or True,
        }
        return entry | ({"requires-python": self.requires_python} if self.requires_python else {})


@dataclass(frozen=True)
class Request:
    """One request as it was answered; `path` without query, `headers` by lower-case name."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)


class LoopbackUpstream:
    """A simple index (JSON 1.4, HTML) on 127.0.0.1 with its files; a context manager.

    `requests` lists what was answered, in order. `redirect_to` is where unknown projects are sent; None: 404.
    """

    def __init__(self, *, port: int = 0, redirect_to: str | None = PYPI_SIMPLE_ENDPOINT) -> None:
        self.requests: list[Request] = []
        self.redirect_to = redirect_to
        self._projects: dict[str, dict[str, Listing]] = {}
        self._details: dict[str, dict[str, Any]] = {}
        self._planned: dict[str, list[tuple[int, bytes]]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "LoopbackUpstream":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of the index, for `--index-url` and `PIWRIGHT_UPSTREAM_URL`."""
        return f"{self.base}/simple/"

    def file_url(self, distribution: Distribution) -> str:
        return f"{self.base}/files/{distribution.filename}"

    def add(
        self,
        distribution: Distribution,
        *,
        upload_time: datetime = UPLOADED,
        yanked: str | None = None,
        requires_python: str | None = None,
    ) -> Distribution:
        """List a file (again: with other details). `yanked` is the reason; an empty one means none was given."""
        with self._lock:
            files = self._projects.setdefault(distribution.project, {})
            files[distribution.filename] = Listing(distribution, upload_time, yanked, requires_python)
        return distribution

    def remove(self, distribution: Distribution) -> None:
        """Take a file off the index and off the disk: afterwards its address answers 404."""
        with self._lock:
            del self._projects[distribution.project][distribution.filename]

    def set_details(self, project: str, **details: Any) -> None:
        """Members to add to a project's page, such as `project_status={"status": "archived"}` (underscores: dashes)."""
        with self._lock:
            self._projects.setdefault(canonicalize_name(project), {})
            self._details[canonicalize_name(project)] = {key.replace("_", "-"): v for key, v in details.items()}

    def plan(self, path: str, *answers: int | tuple[int, bytes]) -> None:
        """Answer the next requests for `path` with these statuses (and bodies), one each, before telling the truth."""
        with self._lock:
            planned = self._planned.setdefault(path, [])
            planned.extend((answer, b"planned\n") if isinstance(answer, int) else answer for answer in answers)

    def count(self, path: str) -> int:
        """How many requests (not HEAD) for `path` were answered, whatever the answer."""
        with self._lock:
            return sum(request.path == path and request.method == "GET" for request in self.requests)

    def _answer(self, path: str, accept: str) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            if self._planned.get(path):
                status, body = self._planned[path].pop(0)
                return status, {"Content-Type": "text/plain"}, body
            match path.strip("/").split("/"):
                case ["simple"]:
                    return self._page({"projects": [{"name": name} for name in sorted(self._projects)]}, accept)
                case ["simple", name]:
                    return self._project(name, path, accept)
                case ["files", filename]:
                    for files in self._projects.values():
                        if filename in files:
                            body = files[filename].distribution.content
                            return 200, {"Content-Type": "application/octet-stream"}, body
        return 404, {"Content-Type": "text/plain"}, b"not found\n"

    def _project(self, name: str, path: str, accept: str) -> tuple[int, dict[str, str], bytes]:
        normalised = canonicalize_name(name)
        if normalised not in self._projects:
            if self.redirect_to is None:
                return 404, {"Content-Type": "text/plain"}, b"not found\n"
            return 302, {"Location": f"{self.redirect_to.rstrip('/')}/{normalised}/"}, b""
        if path != f"/simple/{normalised}/":
            return 301, {"Location": f"/simple/{normalised}/"}, b""
        files = list(self._projects[normalised].values())
        page = {
            "name": normalised,
            "versions": sorted({each.distribution.version for each in files}),
            "files": [each.to_json(self.base) for each in files],
        }
        return self._page(page | self._details.get(normalised, {}), accept)

    def _page(self, page: dict[str, Any], accept: str) -> tuple[int, dict[str, str], bytes]:
        if "json" in accept or "*/*" in accept:
            serial = page.pop("_last-serial", None)
            meta = {"api-version": "1.4"} | ({"_last-serial": serial} if serial is not None else {})
            return 200, {"Content-Type": JSON_TYPE, "Vary": "Accept"}, json.dumps({"meta": meta, **page}).encode()
        links = [(f"{each['name']}/", each["name"], "") for each in page.get("projects", [])]
        for each in page.get("files", []):
            wanted = each.get("requires-python")
            attribute = f' data-requires-python="{html.escape(wanted)}"' if wanted else ""
            if each["yanked"]:
                reason = each["yanked"] if isinstance(each["yanked"], str) else ""
                attribute += f' data-yanked="{html.escape(reason)}"'
            links.append((f"{each['url']}#sha256={each['hashes']['sha256']}", each["filename"], attribute))
        body = "".join(f'<a href="{html.escape(url)}"{more}>{text}</a><br>\n' for url, text, more in links)
        # As upstream really does: the pip of Bullseye knows nothing else than text/html.
        content_type = HTML_TYPE if "vnd.pypi.simple" in accept else "text/html"
        return 200, {"Content-Type": content_type, "Vary": "Accept"}, f"<!DOCTYPE html>\n{body}".encode()


class _Handler(BaseHTTPRequestHandler):
    upstream: ClassVar[LoopbackUpstream]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        status, headers, body = self.upstream._answer(path, self.headers.get("Accept", "*/*"))
        if status == 200:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
        sent = {name.lower(): value for name, value in self.headers.items()}
        with self.upstream._lock:
            self.upstream.requests.append(Request(self.command, path, status, sent))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client gave up, as a cancelled build does

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `requests` has it all."""
