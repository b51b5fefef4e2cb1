"""One lie for each check: what an index says that is not so.

LIES["file-hash"]      # Lie(content=...)
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from truthful_index import HTML_TYPE, JSON_TYPE, Ask, Change, Content, Lie, Reply


def in_html(old: str, new: str, root: bool = False) -> Lie:
    """HTML pages have other words."""

    def change(ask: Ask, reply: Reply) -> Reply:
        return reply.saying(old.encode(), new.encode()) if reply.is_html and ask.is_root == root else reply

    return Lie(reply=change)


def in_json(change: Callable[[dict[str, Any]], Any], root: bool = False) -> Lie:
    """JSON pages of projects (or the root) say something else, while HTML says the truth."""

    def lie(ask: Ask, reply: Reply) -> Reply:
        if not reply.is_json or ask.is_root != root:
            return reply
        data = json.loads(reply.plain)
        if not root and data["name"] != "spi-dev":
            return reply
        change(data)
        return replace(reply, plain=json.dumps(data).encode())

    return Lie(reply=lie)


def of_file(**members: Any) -> Lie:
    """The first file of a page has other members, in both formats."""

    def change(content: Content) -> None:
        content.file().update({name.replace("_", "-"): value for name, value in members.items()})

    return Lie(content=change)


def of_json_file(**members: Any) -> Lie:
    """The first file of a page has other members in JSON alone."""
    return in_json(
        lambda page: page["files"][0].update({name.replace("_", "-"): each for name, each in members.items()})
    )


def of_page(**members: Any) -> Lie:
    """A project's page says something else of itself, in JSON alone."""
    return in_json(lambda page: page.update({name.replace("_", "-"): value for name, value in members.items()}))


def pages(change: Callable[[Ask, Reply], Reply]) -> Change:
    return lambda ask, reply: change(ask, reply) if ask.is_page and reply.status in (200, 304) else reply


def files(change: Callable[[Ask, Reply], Reply]) -> Change:
    return lambda ask, reply: change(ask, reply) if ask.path.startswith("/files/") else reply


def asks_for(kind: str, ask: Ask) -> bool:
    return ask.accept is not None and ask.accept.split(",")[0].split(";")[0].strip() == kind


def instead(kind: str, answers: str) -> Lie:
    """Who asks for one type is answered as if for another."""
    return Lie(asked=lambda ask: replace(ask, accept=answers) if ask.accept == kind else ask)


def _rename(content: Content) -> None:
    file = content.file("spi-dev", 3)
    content.files["/files/other-9.0.tar.gz"] = content.files["/files/spi_dev-3.6.tar.gz"]
    file.update({"filename": "other-9.0.tar.gz", "url": "../../files/other-9.0.tar.gz"})


def _change_bytes(content: Content) -> None:
    content.files["/files/spi_dev-3.6.tar.gz"] = b"rebuilt, of the same size" * 8 + b"......."


def _add_name(name: str) -> Lie:
    return Lie(content=lambda content: content.names.append(name))


def _plus_is_space(ask: Ask) -> Ask:
    return replace(ask, path=ask.path.replace("+", " ")) if ask.path.startswith("/files/") else ask


def _last_to_first(ask: Ask) -> Ask:
    """Takes the order of the types for their rank and does not read qualities."""
    return replace(ask, accept=ask.accept.split(",")[0].split(";")[0]) if ask.accept else ask


def _drop(name: str) -> Callable[[Ask], Ask]:
    def forget(ask: Ask) -> Ask:
        return replace(ask, headers={key: value for key, value in ask.headers.items() if key != name})

    return forget


def _served_under(spelling: Callable[[str], str]) -> Callable[[Ask], Ask]:
    return lambda ask: replace(ask, path=spelling(ask.path)) if ask.is_page else ask


def _shifted(ask: Ask, reply: Reply) -> Reply:
    return replace(reply, plain=reply.plain[1:] + b"?") if reply.status == 206 else reply


def _never_parts(ask: Ask) -> Ask:
    return _drop("range")(ask)


def _wrong_type(ask: Ask, reply: Reply) -> Reply:
    return reply.with_headers(Content_Type="text/html") if reply.is_json else reply


def _second_title(ask: Ask, reply: Reply) -> Reply:
    return replace(reply, plain=reply.plain + b" ") if ask.encoding == "identity" else reply


LIES: dict[str, Lie] = {
    # pages
    "page-readable": Lie(reply=lambda ask, reply: replace(reply, plain=reply.plain[1:]) if reply.is_json else reply),
    "html-valid": in_html("<!DOCTYPE html>", "<html>"),
    "html-anchors": in_html("</title>", '</title><a href="../">up</a>'),
    "html-version": in_html('name="pypi:repository-version"', 'name="version"'),
    "version-format": in_html('content="1.4"', 'content="1.4.0"'),
    "version-current": in_html('content="1.4"', 'content="1.1"'),
    "json-members": in_json(lambda page: page.pop("versions")),
    "json-file-members": in_json(lambda page: page["files"][0].pop("hashes")),
    "json-name": of_page(name="Spi_Dev"),
    "requires-python-escaped": in_html("&gt;=3.9", ">=3.9"),
    "html-hashes": in_html("#sha256=", "#checksum="),
    "legacy-metadata-equal": in_html('data-dist-info-metadata="sha256=', 'data-dist-info-metadata="sha256=0'),
    "legacy-metadata-html": in_html("data-dist-info-metadata", "data-gpg-sig"),
    "legacy-metadata-json": of_json_file(dist_info_metadata=False),
    "html-frozen": in_html("data-provenance", 'data-size="1" data-provenance'),
    "no-tracks": in_json(lambda page: page["meta"].update({"tracks": ["https://x.invalid/simple/spi-dev/"]})),
    # names
    "root-names": _add_name("Other"),
    "root-links": in_html('href="other/"', 'href="../other/"', root=True),
    "root-projects": _add_name("not-published-yet"),
    "redirect-slash": Lie(asked=_served_under(lambda path: path.rstrip("/") + "/")),
    "redirect-names": Lie(asked=_served_under(lambda path: path.lower().replace("_.", "-"))),
    "redirect-truth": Lie(
        asked=_served_under(lambda path: "/simple/other/" if path.isupper() or "_" in path else path)
    ),
    "unknown-project": Lie(
        reply=lambda ask, reply: (
            Reply(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html>") if reply.status == 404 else reply
        )
    ),
    # listing
    "files-once": Lie(content=lambda content: content.pages["other"]["files"].append(content.file("other"))),
    "filename-valid": Lie(content=_rename),
    "url-encoding": in_html("%2Bpi", "%252Bpi"),
    "url-scheme": of_file(url="ftp://127.0.0.1/spi_dev-3.6-py3-none-any.whl"),
    "versions-complete": of_page(versions=["1!2.0+pi.1", "3.7rc1"]),
    "versions-unique": of_page(versions=["1!2.0+pi.1", "3.6", "3.7rc1", "3.6.0"]),
    "versions-normalised": of_page(versions=["1!2.0+pi.1", "3.6", "3.7-RC1"]),
    "hash-format": of_file(hashes={"sha256": "12ab"}),
    "hash-secure": of_json_file(hashes={"md5": "0" * 32}),
    "size-format": of_json_file(size="293"),
    "upload-time-format": of_json_file(upload_time="2026-03-04 05:06:07"),
    "upload-time-known": in_json(lambda page: page["files"][0].pop("upload-time")),
    "yanked-format": of_json_file(yanked=""),
    "yanked-reason": of_file(yanked=True),
    "core-metadata-format": of_json_file(core_metadata="sha256=00"),
    "requires-python-valid": of_file(requires_python="three or more"),
    "status-valid": of_page(project_status={"status": "abandoned"}),
    "status-quarantined": Lie(
        content=lambda content: content.pages["other"].update({"project-status": {"status": "quarantined"}})
    ),
    "provenance-url": of_file(provenance="/provenance/1"),
    # agreement
    "agree-projects": in_html('<a href="other/">other</a>', "", root=True),
    "agree-files": in_json(lambda page: page["files"].pop(0)),
    "agree-hashes": in_html("#sha256=", "#sha256=0"),
    "agree-urls": in_html('href="../../files/', 'href="../../file/'),
    "agree-requires-python": in_html("&lt;4", "&lt;5"),
    "agree-yanked": in_html("data-yanked", "data-provenance"),
    "agree-core-metadata": of_json_file(core_metadata=False),
    "agree-provenance": in_html("x.invalid/p", "x.invalid/q"),
    "agree-status": in_html("dusted", "forgotten"),
    # negotiation
    "content-type": Lie(reply=pages(_wrong_type)),
    "negotiate-json": instead(JSON_TYPE, "text/html"),
    "negotiate-html": instead("text/html", JSON_TYPE),
    "negotiate-v1-html": instead(HTML_TYPE, "text/html"),
    "negotiate-latest": instead("application/vnd.pypi.simple.latest+json", "text/html"),
    "latest-is-named": Lie(
        reply=lambda ask, reply: (
            reply.with_headers(Content_Type=ask.accept) if ask.accept and "latest" in ask.accept else reply
        )
    ),
    "negotiate-any": Lie(asked=lambda ask: replace(ask, accept=JSON_TYPE) if ask.accept is None else ask),
    "negotiate-clients": Lie(
        reply=lambda ask, reply: replace(reply, status=406) if ask.accept and "*/*;q=0.1" in ask.accept else reply
    ),
    "negotiate-quality": Lie(asked=_last_to_first),
    "unsupported-type": Lie(reply=lambda ask, reply: replace(reply, status=500) if reply.status == 406 else reply),
    "unsupported-406": Lie(
        asked=lambda ask: replace(ask, accept="text/html") if ask.accept and "v99" in ask.accept else ask
    ),
    "vary-accept": Lie(reply=pages(lambda ask, reply: reply.with_headers(Vary="Accept-Encoding"))),
    # files
    "file-reachable": Lie(content=lambda content: content.files.pop("/files/spi_dev-3.6.tar.gz")),
    "odd-versions": Lie(asked=_plus_is_space),
    "file-hash": Lie(content=_change_bytes),
    "file-size": of_json_file(size=1),
    "file-plain": Lie(
        sent=files(lambda ask, reply: reply.with_headers(Content_Encoding="gzip") if "gzip" in ask.encoding else reply)
    ),
    "metadata-offered": of_file(core_metadata=False),
    "metadata-reachable": Lie(
        content=lambda content: content.files.pop("/files/spi_dev-3.6-py3-none-any.whl.metadata")
    ),
    "metadata-hash": of_file(core_metadata={"sha256": "0" * 64}),
    "metadata-is-member": Lie(
        content=lambda content: content.files.update(
            {"/files/spi_dev-3.6-py3-none-any.whl.metadata": b"Name: spi-dev\n"}
        )
    ),
    "requires-python-told": of_file(requires_python=None),
    "requires-python-true": of_file(requires_python=">=3.6"),
    # ranges
    "range-offered": Lie(asked=_never_parts),
    "range-truth": Lie(sent=_shifted),
    "range-unknown-unit": Lie(
        sent=lambda ask, reply: replace(reply, status=500) if "lines" in ask.headers.get("range", "") else reply
    ),
    "range-unsatisfiable": Lie(
        sent=lambda ask, reply: reply.without("Content-Range") if reply.status == 416 else reply
    ),
    "if-range": Lie(asked=_drop("if-range")),
    "if-range-matches": Lie(
        sent=files(
            lambda ask, reply: (
                replace(reply, status=200) if reply.status == 206 and "if-range" in ask.headers else reply
            )
        )
    ),
    # caching
    "etag-sent": Lie(sent=lambda ask, reply: reply.without("ETag")),
    "etag-format": Lie(sent=lambda ask, reply: reply.with_headers(ETag=reply.headers.get("ETag", "").strip('"'))),
    "etag-of-one": Lie(sent=pages(lambda ask, reply: reply.with_headers(ETag=f'"{ask.path}"'))),
    "not-modified": Lie(asked=_drop("if-none-match")),
    "modified": Lie(
        sent=lambda ask, reply: replace(reply, status=304, plain=b"") if "if-none-match" in ask.headers else reply
    ),
    "not-modified-headers": Lie(sent=lambda ask, reply: reply.without("Vary") if reply.status == 304 else reply),
    "cache-pages": Lie(reply=pages(lambda ask, reply: reply.without("Cache-Control"))),
    "cache-files": Lie(reply=files(lambda ask, reply: reply.without("Cache-Control"))),
    "gzip-offered": Lie(asked=lambda ask: replace(ask, encoding="identity")),
    "gzip-truth": Lie(reply=pages(_second_title)),
    "gzip-refused": Lie(asked=lambda ask: replace(ask, encoding="gzip") if "identity" in ask.encoding else ask),
    "vary-encoding": Lie(reply=pages(lambda ask, reply: reply.with_headers(Vary="Accept"))),
    "head": Lie(sent=lambda ask, reply: replace(reply, status=405) if ask.method == "HEAD" else reply),
}
