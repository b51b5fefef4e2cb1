"""A shop with a bit of everything, for looking at its pages and for tests in a browser.

names = fill_example(ProjectRows(connection, tmp_path))
"""

from datetime import UTC, datetime, timedelta

from project_rows import BOOKWORM, BOOKWORM_64, BUILT, TRIXIE, TRIXIE_64, ProjectRows

EVIL = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\u2066" + '" onload="x' + "A" * 3000

ENVIRONMENT = {
    "python": "3.11.2",
    "platform": "linux-armv7l",
    "machine": "armv7l",
    "libc": "glibc 2.36",
    "distribution": "Raspbian GNU/Linux 12 (bookworm)",
    "compiler": "gcc (Raspbian 12.2.0-14+rpi1) 12.2.0",
    "apt": ["gcc=4:12.2.0-3", "libc6-dev=2.36-9", "make=4.3-4.1", "python3-dev=3.11.2-1", "libffi-dev=3.4.4-1"],
    "installer": "uv 0.9.1",
    "requirements": [
        "setuptools==80.9.0 --hash=sha256:" + "1" * 64,
        "wheel==0.45.1 --hash=sha256:" + "2" * 64,
    ],
    "worker_version": "1.4",
    "connections": {"outside": 0, "loopback": 0, "lookups": 2},
}
SANDBOX = {"kind": "bubblewrap", "memory": "cgroup2", "processes": "cgroup2", "space": "tmpfs"}


def phases(*steps: tuple[str, float]) -> list[dict[str, object]]:
    """Steps of a build, each with what a worker measures."""
    return [
        {
            "name": name,
            "started": BUILT.isoformat(),
            "seconds": seconds,
            "cpu_seconds": seconds * 0.9,
            "peak_memory_bytes": int(seconds * 3_000_000),
            "fetched_bytes": 1_234_567 if name == "fetch" else 0,
            "scratch_bytes": int(seconds * 400_000),
            "log_start": 0,
            "log_end": 100,
        }
        for name, seconds in steps
    ]


def failed_log(lines: int) -> str:
    """A log of a compiler, whose line 1,233 says what is missing."""
    said = ["=== piwright: phase fetch", "Resolved 2 packages in 120ms", "=== piwright: phase build"]
    said += [
        f"gcc -O2 -fPIC -I/usr/include/python3.11 -c src/module_{number}.c -o build/module_{number}.o"
        for number in range(4, lines + 1)
    ]
    said[1229:1234] = [
        "running build_ext",
        "building 'rpi_lgpio' extension",
        "gcc -O2 -fPIC -I/usr/include/python3.11 -c src/lgpio_wrap.c",
        "src/lgpio_wrap.c:22:10: fatal error: lgpio.h: No such file or directory",
        "compilation terminated.",
    ]
    return "\n".join(said) + "\n=== piwright: failed (backend): the build failed\n"


def fill_example(rows: ProjectRows) -> None:
    """spidev (built nearly everywhere), rpi-lgpio (fails), waits, evil, numpy-like (many versions), quarantined."""
    worker = rows.worker("pi-4-kitchen")
    rows.worker("pi-zero-attic", TRIXIE)
    common = {"worker_id": worker, "environment": ENVIRONMENT, "sandbox": SANDBOX, "connections": 2}
    good = {
        **common,
        "phases": phases(("fetch", 6), ("prepare", 3), ("build", 78), ("inspect", 1), ("smoke", 7)),
        "peak_memory_bytes": 231_000_000,
        "smoke": {"outcome": "imported", "detail": "", "modules": []},
    }
    rows.project("spidev", display_name="spidev", summary="Python bindings for Linux SPI access through spidev")
    for version in ("3.8", "3.7", "3.6"):
        for target, tag, apt in (
            (BOOKWORM, "cp311-cp311-linux_armv7l", []),
            (BOOKWORM_64, "cp311-cp311-linux_aarch64", []),
            (TRIXIE, "cp313-cp313-linux_armv7l", ["libgpiod3", "libopenblas0-pthread"]),
        ):
            log = "=== piwright: phase build\nrunning bdist_wheel\n=== piwright: built\n"
            attempt = rows.attempt(rows.job("spidev", version, target), log=log, **good)
            more = {"held_reason": "crashes on a Pi Zero", "held_by": "alice"} if version == "3.6" else {}
            more |= (
                {"note": "It has no compiled code, and upstream's own wheels of 3.5 do."} if version == "3.7" else {}
            )
            rows.wheel("spidev", version, tag, target, attempt=attempt, apt_packages=apt, **more)
    waiting = rows.job("spidev", "3.8", TRIXIE_64, "waiting", estimate_seconds=100)
    rows.attempt(waiting, "out_of_memory", evidence_text="cc1: out of memory allocating 65536 bytes", **common)
    rows.release("spidev", "3.5", yanked=True, yanked_reason="broken on 64 bit")
    project = rows.id_of("spidev")
    for back in range(45):
        rows.execute(
            "INSERT INTO project_download VALUES (%s, current_date - %s::int, %s)", project, back, 40 + (back * 37) % 90
        )

    rows.project("rpi-lgpio", summary="A compatibility package for rpi-gpio on kernels 5.4+ with more recent Pis")
    for target in (BOOKWORM, BOOKWORM_64, TRIXIE, TRIXIE_64):
        job = rows.job("rpi-lgpio", "0.6", target, "failed")
        first = {"phases": phases(("fetch", 5), ("build", 20)), "peak_memory_bytes": 90_000_000}
        rows.attempt(job, "worker_lost", message="pi-4-kitchen did not come back", **common)
        rows.attempt(
            job,
            "missing_header",
            log=failed_log(3000),
            evidence_line=1233,
            evidence_text="src/lgpio_wrap.c:22:10: fatal error: lgpio.h: No such file or directory",
            captured={"header": "lgpio.h"},
            message="the build ended with exit code 1",
            **common,
            **first,
        )

    rows.project("waits", summary="Is in the queue")
    for number in range(5):
        rows.job(f"before-{number}", "1.0", BOOKWORM, "waiting", priority=100, estimate_seconds=400)
    for target in (BOOKWORM, TRIXIE):
        rows.job("waits", "2.0", target, "waiting")

    rows.project("many-versions", summary="Has been around for long", status="archived", status_reason="use spidev")
    release = 0
    for number in range(300):
        release = rows.release(
            "many-versions", f"{number // 10}.{number % 10}", ("many_versions-1.0-py3-none-any.whl",)
        )
        rows.execute(
            "UPDATE release SET uploaded_at = %s WHERE release_id = %s",
            BUILT - timedelta(days=3000 - 9 * number),
            release,
        )
    rows.release("many-versions", "40.0rc1", ())

    rows.project("evil", display_name=EVIL, summary=EVIL[:500], status="deprecated", status_reason=EVIL)
    job = rows.job("evil", "6.6.6", BOOKWORM, "failed", reason=EVIL)
    rows.attempt(
        job,
        "compiler_error",
        log=(EVIL + "\n") * 50 + "\x1b[1mbold\x1b[0m\rover\n" + "\0" * 100 + "\n",
        evidence_line=2,
        evidence_text=EVIL,
        message=EVIL,
        captured={"header": EVIL},
        phases=phases(("build", 2)),
        environment={
            **ENVIRONMENT,
            "compiler": EVIL,
            "apt": [EVIL, "ok-dev=1"],
            "requirements": [EVIL, "a==1; rm -rf /"],
        },
    )
    rows.execute("UPDATE release SET yanked = true, yanked_reason = %s WHERE version = '6.6.6'", EVIL)
    rows.wheel("evil", "6.6.5", "py3-none-any", note=EVIL, held_reason=EVIL, held_by=EVIL)
    rows.execute(
        "INSERT INTO network_exception (project_id, reason, allowed_by, allowed_at) VALUES (%s, %s, 'bob', %s)",
        rows.id_of("evil"),
        EVIL,
        datetime(2026, 3, 4, tzinfo=UTC),
    )
    rows.project("shut", status="quarantined", status_reason="malware", summary="Was found to steal keys")
    rows.wheel("shut", "1.0", "py3-none-any")
