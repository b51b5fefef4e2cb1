"""Walks everything a reader could come to on one host, and says what is broken.

    crawled = crawl("http://127.0.0.1:8000/")
    assert crawled.problems == []
    crawled.pages, crawled.files      # addresses, in the order they were found

Every link of every page is followed while it stays on the host; a file that a link gives a hash for has to have it. What
redirects to another host is that host's business. While something is published a page that was read may be old: a link
is broken only if the page still has it when it is read again after the link led nowhere, and it leads nowhere again.
"""

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag

_REDIRECTS = (301, 302, 303, 307, 308)
_LINKS = {"a": "href", "link": "href", "script": "src", "img": "src"}


@dataclass
class Crawled:
    """What was found. `elsewhere` are addresses on the host that lead to another one."""

    pages: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def crawl(start: str, *more: str) -> Crawled:
    """Walk from these addresses, which are on one host."""
    host = urlsplit(start).netloc
    crawled = Crawled()
    seen: set[str] = set()
    waiting: list[tuple[str, str, str]] = [(each, "", "") for each in (start, *more)]
    with requests.Session() as session:
        while waiting:
            url, sha256, origin = waiting.pop()
            if url in seen:
                continue
            seen.add(url)
            answer = session.get(url, timeout=60, allow_redirects=False)
            while answer.status_code not in (200, *_REDIRECTS) and _still_linked(session, origin, url):
                again = session.get(url, timeout=60, allow_redirects=False)
                if again.status_code == answer.status_code:
                    crawled.problems.append(f"{origin} leads to {url}, which answers {answer.status_code}")
                    break
                answer = again
            if answer.is_redirect:
                target = urldefrag(urljoin(url, answer.headers["Location"])).url
                if urlsplit(target).netloc == host:
                    waiting.append((target, sha256, url))
                else:
                    crawled.elsewhere.append(url)
            elif answer.status_code != 200:
                continue
            elif sha256:
                crawled.files.append(url)
                if hashlib.sha256(answer.content).hexdigest() != sha256:
                    crawled.problems.append(f"{origin} promises other content of {url}")
            elif answer.headers["Content-Type"].startswith("text/html"):
                crawled.pages.append(url)
                waiting += [link for link in _links(url, answer.content) if urlsplit(link[0]).netloc == host]
            else:
                crawled.files.append(url)
    return crawled


def _still_linked(session: requests.Session, page: str, url: str) -> bool:
    """Whether a page leads somewhere still; what no page led to is meant to be there."""
    if not page:
        return True
    answer = session.get(page, timeout=60)
    return answer.status_code == 200 and url in {link for link, _, _ in _links(page, answer.content)}


def _links(page: str, content: bytes) -> list[tuple[str, str, str]]:
    found = []
    for element in BeautifulSoup(content, "html.parser").find_all(list(_LINKS)):
        assert isinstance(element, Tag)
        target = element.get(_LINKS[element.name])
        if target:
            url, fragment = urldefrag(urljoin(page, str(target)))
            digest = re.fullmatch(r"sha256=([0-9a-f]{64})", fragment)
            found.append((url, digest[1] if digest else "", page))
    return found
