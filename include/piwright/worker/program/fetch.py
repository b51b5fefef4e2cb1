"""Phase `fetch`, first half: the sdist from its address, its size and hashes checked while it comes in.

fetch(sdist, Path("spidev-3.6.tar.gz"), say=print)
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Callable

from .failure import BuildFailure
from .protocol import SdistSpec
from .version import WORKER_VERSION

MAX_SDIST_BYTES = 1 << 30
SOCKET_SECONDS = 60.0
PAUSES = (1.0, 3.0, 9.0)
"""Seconds to wait before each further try."""
_CHUNK = 1 << 18
_SAY_SECONDS = 10.0


class _TryAgain(Exception):
    """Something that may be better in a moment."""


def fetch(sdist: SdistSpec, target: Path, say: Callable[[str], None]) -> None:
    """Download to `target`. Raises `BuildFailure` (upstream_gone, fetch_failed, hash_mismatch, no_space)."""
    for pause in (*PAUSES, None):
        try:
            _fetch_once(sdist, target, say)
            return
        except _TryAgain as error:
            if pause is None:
                tries = len(PAUSES) + 1
                raise BuildFailure("fetch_failed", f"{sdist.url}: {error} ({tries} tries).") from None
            say(f"{error}; trying again in {pause:.0f} s")
            time.sleep(pause)


def _fetch_once(sdist: SdistSpec, target: Path, say: Callable[[str], None]) -> None:
    headers = {"User-Agent": f"piwright-worker/{WORKER_VERSION}", "Accept-Encoding": "identity"}
    try:
        request = urllib.request.Request(sdist.url, headers=headers)
        with _web_only().open(request, timeout=SOCKET_SECONDS) as answer:
            _receive(answer, sdist, target, say)
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            raise BuildFailure("upstream_gone", f"{sdist.url}: upstream answers {error.code}.") from None
        if error.code >= 500 or error.code in (408, 425, 429):
            raise _TryAgain(f"upstream answers {error.code}") from None
        raise BuildFailure("fetch_failed", f"{sdist.url}: upstream answers {error.code} {error.reason}.") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise BuildFailure("fetch_failed", f"{sdist.url} is no address that can be fetched: {error}.") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BuildFailure("no_space", "The disk filled up while the sdist was fetched.") from None
        raise _TryAgain(str(getattr(error, "reason", None) or error or type(error).__name__)) from None


def _web_only() -> urllib.request.OpenerDirector:
    """An opener that follows redirects within http and https and knows no other scheme, nor any proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _receive(answer: http.client.HTTPResponse, sdist: SdistSpec, target: Path, say: Callable[[str], None]) -> None:
    announced = answer.headers.get("Content-Length", "")
    most = MAX_SDIST_BYTES if sdist.size is None else min(sdist.size, MAX_SDIST_BYTES)
    digests = {name: hashlib.new(name) for name in sdist.hashes}
    received = 0
    next_word = time.monotonic() + _SAY_SECONDS
    with open(target, "wb") as file:
        while True:
            chunk = answer.read1(_CHUNK)
            if not chunk:
                break
            received += len(chunk)
            if received > most:
                _refuse_size(sdist, f"more than {most}")
            file.write(chunk)
            for digest in digests.values():
                digest.update(chunk)
            if time.monotonic() >= next_word:  # a slow line is not a silent build
                say(f"{received} bytes of the sdist so far")
                next_word = time.monotonic() + _SAY_SECONDS
        file.flush()
        os.fsync(file.fileno())
    if announced.isdigit() and received < int(announced):
        raise _TryAgain(f"the connection ended after {received} of {announced} bytes")
    if sdist.size is not None and received != sdist.size:
        _refuse_size(sdist, str(received))
    for name, digest in digests.items():
        if digest.hexdigest() != sdist.hashes[name]:
            raise BuildFailure(
                "hash_mismatch", f"{sdist.filename} has {name} {digest.hexdigest()}, not {sdist.hashes[name]}."
            )
    say(f"{sdist.filename}: {received} bytes, {' and '.join(sorted(digests))} as announced")


def _refuse_size(sdist: SdistSpec, found: str) -> None:
    if sdist.size is None or sdist.size > MAX_SDIST_BYTES:
        raise BuildFailure(
            "bad_sdist", f"{sdist.filename} has more than the {MAX_SDIST_BYTES} bytes an sdist may have."
        )
    raise BuildFailure("hash_mismatch", f"{sdist.filename} has {found} bytes, not {sdist.size} as announced.")
