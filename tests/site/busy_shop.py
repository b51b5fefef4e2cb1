"""A shop at work, straight into the database: targets, workers, months of attempts, wheels, failures, a queue.

fill_shop(owner_connection)                       # some sixty projects, as pages are looked at
fill_names(owner_connection, 20_000)              # and many more, as the search is measured

Everything follows from counting, so that the same pages come out every time.
"""

import itertools

from piwright.database.connection import Connection, execute_values

TARGETS = (
    ("bookworm-cp311-armv7l", "bookworm", "3.11", "armv7l"),
    ("bookworm-cp311-aarch64", "bookworm", "3.11", "aarch64"),
    ("trixie-cp313-armv7l", "trixie", "3.13", "armv7l"),
    ("trixie-cp313-aarch64", "trixie", "3.13", "aarch64"),
)

SUMMARIES = {
    "numpy": "Arrays of numbers, and mathematics on them",
    "pigpio": "Drives the pins of a Raspberry Pi through a daemon",
    "rpi-gpio": "Reads and writes the pins of a Raspberry Pi",
    "spidev": "Talks to devices on an SPI bus",
    "smbus2": "Talks to devices on an I2C bus",
    "gpiozero": "Buttons, lamps and motors on the pins of a Raspberry Pi, in one line each",
    "pyserial": "Serial port access for every system",
    "opencv-python": "Computer vision: pictures, films, cameras",
    "pandas": "Tables of data, and what can be asked of them",
    "lxml": "Reads and writes XML and HTML",
    "pillow": "Opens, changes and saves pictures",
    "cryptography": "Ciphers, signatures and certificates",
    "picamera2": "The camera of a Raspberry Pi",
    "scipy": "Numerical methods for science and engineering",
    "evdev": "Reads keyboards, mice and game pads",
    "wrapt": "Decorators that look like what they decorate",
}

FAILURES = (
    ("grpcio", "missing_header", "fatal error: openssl/ssl.h: No such file or directory"),
    ("pygraphviz", "missing_header", "pygraphviz/graphviz_wrap.c:9: fatal error: graphviz/cgraph.h: No such file"),
    ("dlib", "out_of_memory", "c++: fatal error: Killed signal terminated program cc1plus"),
    ("oldlib", "python2_syntax", "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?"),
    ("tokenizers", "missing_program", "error: can't find Rust compiler"),
    ("evil", "setup_error", '<script>alert("log")</script>\x1b[31m \u202egnp.exe'),
)

_BASE = """
INSERT INTO target (name, distribution, python, architecture, tags, rank)
SELECT t.name, t.distribution, t.python, t.architecture, ARRAY['py3-none-any'], t.rank
FROM unnest(%(names)s, %(distributions)s, %(pythons)s, %(architectures)s)
     WITH ORDINALITY t (name, distribution, python, architecture, rank);
INSERT INTO worker (name, connection_id, target_id, python, state_directory, slots, state, state_reason, facts, seen_at)
SELECT 'pi-' || lpad(n::text, 2, '0'), 'ssh-' || n, 1 + n %% 4, 'python3', '/var/lib/piwright', 1 + n %% 2,
       CASE n WHEN 5 THEN 'lost' WHEN 6 THEN 'drained' ELSE 'live' END,
       CASE n WHEN 5 THEN 'no answer for 60 s' WHEN 6 THEN 'new SD card' END,
       jsonb_build_object('cores', 4, 'memory_bytes', 4000000000, 'disk_free_bytes', 21000000000 + n * 1000000000::bigint),
       '2026-11-22 13:58:00Z'::timestamptz - make_interval(mins => CASE n WHEN 5 THEN 200 ELSE n END)
FROM generate_series(1, 6) n;
"""

# A weekly wave, a growing farm, a fifth of failures; recorded one statement a day, as batches come in.
_ATTEMPTS = """
INSERT INTO attempt (job_id, number, worker_id, outcome, failure_class, message, started_at, finished_at, recorded_at)
SELECT j.job_id, day.n * 1000 + a, 1 + (a + day.n) %% 4, CASE WHEN a %% 5 = 0 THEN 'failed' ELSE 'built' END,
       CASE WHEN a %% 5 = 0
            THEN (ARRAY['missing_header', 'build_requirement_unavailable', 'timeout', 'setup_error'])[1 + a %% 4] END,
       NULL, at - make_interval(secs => 40 + a * 7 %% 300), at, at
FROM generate_series(0, 59) day (n),
     LATERAL generate_series(1, 8 + (day.n / 2) + (CASE day.n %% 7 WHEN 5 THEN -4 WHEN 6 THEN -6 ELSE (day.n * 13) %% 9 END)) a,
     LATERAL (SELECT '2026-09-24 03:00:00Z'::timestamptz + make_interval(days => day.n, mins => a * 7) AS at) moment,
     LATERAL (SELECT job_id FROM job ORDER BY job_id OFFSET (a * 7 + day.n) %% 40 LIMIT 1) j
"""


def fill_shop(connection: Connection) -> None:
    """Make the shop; commits."""
    names, distributions, pythons, architectures = (list(each) for each in zip(*TARGETS, strict=True))
    with connection.cursor() as cursor:
        values = {"names": names, "distributions": distributions, "pythons": pythons, "architectures": architectures}
        cursor.execute(_BASE, values)
        built = [(name, summary) for name, summary in SUMMARIES.items()]
        execute_values(
            cursor,
            "INSERT INTO project (name, display_name, summary, offered_wheels, offered_releases, offered_bytes, checked_at)"
            " VALUES %s",
            [(name, name, summary, 4, 1, 5_000_000, "2026-11-22") for name, summary in built],
        )
        cursor.execute(
            "INSERT INTO project (name, display_name, checked_at) SELECT n, n, now() FROM unnest(%s) n",
            ([name for name, *_ in FAILURES] + ["wheel-waits", "requests"],),
        )
        cursor.execute(
            "INSERT INTO release (project_id, version, original_version, uploaded_at)"
            " SELECT project_id, '1.' || project_id, '1.' || project_id, now() FROM project WHERE name <> 'requests'"
        )
        cursor.execute(
            "INSERT INTO job (release_id, target_id, priority, estimate_seconds, state)"
            " SELECT release_id, target_id, 1, 60, CASE WHEN p.offered_wheels > 0 THEN 'built'"
            " WHEN p.name = 'wheel-waits' THEN 'waiting' ELSE 'failed' END"
            " FROM release JOIN project p USING (project_id), target ORDER BY release_id, target_id"
        )
        cursor.execute(_ATTEMPTS, {})
        for place, (name, failure, evidence) in enumerate(FAILURES):
            cursor.execute(
                "INSERT INTO attempt (job_id, number, worker_id, outcome, failure_class, evidence_text, evidence_line,"
                " started_at, finished_at, recorded_at, page_at) SELECT min(job_id), 1, 1, 'failed', %s, %s, 7, at, at, at, at"
                " FROM job JOIN release USING (release_id) JOIN project p USING (project_id),"
                " LATERAL (SELECT '2026-11-22 13:30:00Z'::timestamptz - make_interval(mins => %s) AS at) m"
                " WHERE p.name = %s GROUP BY at",
                (failure, evidence, place, name),
            )
        cursor.execute(
            "INSERT INTO wheel (attempt_id, release_id, filename, sha256, size, tags, metadata_sha256, built_at, published_at)"
            " SELECT a.attempt_id, r.release_id, p.name || '-' || r.version || '-' || t.name || '.whl', repeat('a', 64),"
            " 41000 + 97001 * (r.release_id % 9), ARRAY[replace(t.name, '-', '_')], repeat('b', 64),"
            " '2026-11-22 13:40:00Z'::timestamptz - make_interval(mins => j.job_id::int), now()"
            " FROM job j JOIN release r USING (release_id) JOIN project p USING (project_id) JOIN target t USING (target_id),"
            " LATERAL (SELECT attempt_id FROM attempt x WHERE x.job_id = j.job_id AND outcome = 'built'"
            " ORDER BY attempt_id DESC LIMIT 1) a WHERE j.state = 'built'"
        )
        cursor.execute("UPDATE attempt SET page_at = recorded_at WHERE outcome = 'built'")
        cursor.execute(
            "INSERT INTO offer_count (projects, releases, wheels, bytes) VALUES (3147, 9120, 20432, 31e9::bigint)"
        )
        cursor.execute(
            "INSERT INTO batch (target_id, run_id, label, state, worker_id, expected_seconds)"
            " SELECT target_id, 'run', 'wheel-waits', 'running', worker_id, 60 FROM worker WHERE worker_id IN (1, 2)"
        )
        cursor.execute(
            "INSERT INTO lease (worker_id, slot, batch_id, job_id, taken_at, expires_at)"
            " SELECT worker_id, 1, batch_id, (SELECT job_id FROM job WHERE state = 'waiting' AND job.target_id = batch.target_id),"
            " '2026-11-22 13:55:00Z', now() + interval '1 day' FROM batch"
        )
        cursor.execute("UPDATE job SET state = 'leased' WHERE job_id IN (SELECT job_id FROM lease)")
    connection.commit()


_STEMS = (
    *(
        "acme",
        "amber",
        "atlas",
        "birch",
        "blue",
        "brick",
        "cloud",
        "cobalt",
        "copper",
        "delta",
        "django",
        "dust",
        "echo",
    ),
    *("ember", "fast", "flask", "frost", "gamma", "glass", "green", "hyper", "iron", "jade", "kilo", "lunar", "micro"),
    *("night", "north", "open", "pixel", "pulse", "py", "quick", "rapid", "river", "robo", "serial", "simple", "smart"),
    *("solar", "stone", "super", "swift", "tiny", "turbo", "ultra", "velvet", "west", "wire", "xeno", "yellow", "zen"),
)
_ENDS = (
    *(
        "api",
        "auth",
        "bot",
        "cache",
        "cli",
        "client",
        "config",
        "core",
        "data",
        "db",
        "feed",
        "files",
        "forms",
        "graph",
    ),
    *(
        "http",
        "io",
        "kit",
        "lib",
        "log",
        "mail",
        "maps",
        "math",
        "ml",
        "net",
        "parser",
        "plot",
        "port",
        "proxy",
        "queue",
    ),
    *("router", "sdk", "search", "sensor", "server", "shell", "sql", "store", "stream", "sync", "task", "test", "text"),
    *("timer", "tools", "tree", "ui", "utils", "view", "web", "worker", "xml", "yaml", "zip"),
)


def made_up_name(number: int) -> str:
    """A name for each number, in the ways real ones are made."""
    number, stem = divmod(number, len(_STEMS))
    number, end = divmod(number, len(_ENDS))
    joint = ("-", "")[number % 2]
    return f"{_STEMS[stem]}{joint}{_ENDS[end]}" + (f"-{number // 2}" if number > 1 else "")


def fill_names(connection: Connection, count: int, *, with_summary: int = 10) -> None:
    """Add `count` projects of which every `with_summary`th has a wheel and a summary; commits."""
    with connection.cursor() as cursor:
        numbers = iter(range(count))
        while rows := [
            (
                made_up_name(n),
                f"{_STEMS[n % 7].title()} {_ENDS[n % 11]} for {_STEMS[n % 50]} {_ENDS[n % 43]} and {_ENDS[n % 13]}"
                if n % with_summary == 0
                else None,
                1 if n % with_summary == 0 else 0,
            )
            for n in itertools.islice(numbers, 10_000)
        ]:
            execute_values(
                cursor,
                "INSERT INTO project (name, display_name, summary, offered_wheels, checked_at)"
                " SELECT n, n, s, w, CASE WHEN length(n) %% 2 = 0 THEN now() END FROM (VALUES %s) v (n, s, w)",
                rows,
                page_size=1000,
            )
    connection.commit()
