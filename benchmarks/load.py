"""Puts load on an index with wrk: keep-alive connections that ask for one project page after the other.

result = load(index.url, names, connections=8, seconds=5)       # Load(requests_per_second, p50, p99, errors)
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import program

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""What uv sends."""

_SCRIPT = """
local paths = {%s}
local number = 0
request = function()
  number = number %% #paths + 1
  return wrk.format("GET", paths[number])
end
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
           latency:percentile(50), latency:percentile(99), bad, summary.bytes))
end
"""


@dataclass(frozen=True)
class Load:
    """Times in seconds; `bytes_each` is the size of an answer with its head."""

    requests_per_second: float
    p50: float
    p99: float
    errors: int
    bytes_each: float


def load(url: str, names: Sequence[str], *, connections: int, seconds: int) -> Load:
    """Ask for the pages of `names` in turn. Ends the benchmark if wrk is not installed."""
    wrk = program("wrk", "apt install wrk")
    base = re.sub(r"^https?://[^/]+", "", url)
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "pages.lua"
        script.write_text(_SCRIPT % ", ".join(f'"{base}{name}/"' for name in names))
        headers = ["-H", f"Accept: {ACCEPT}", "-H", "Accept-Encoding: gzip"]
        command = [
            wrk,
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            *headers,
            "-s",
            str(script),
            url,
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^RESULT (.*)$", said, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk said nothing of its result:\n{said}")
    requests, duration, p50, p99, errors, size = map(int, found[1].split())
    if not requests:
        raise RuntimeError(f"{url} answered nothing in {seconds} s:\n{said}")
    return Load(requests / (duration / 1e6), p50 / 1e6, p99 / 1e6, errors, size / requests)
