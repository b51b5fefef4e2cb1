"""Whether a wheel can be imported, and whose fault it is if not."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import piwright.worker.program.smoke_runner as smoke_runner
from piwright.worker.program.smoke import judge, parse_check
from piwright.worker.program.smoke_modules import MAX_ENTRIES, BadWheel, extension_modules, top_level_modules
from support.worker import has_ended

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
C_MODULE = """
#include <Python.h>
%s
static struct PyModuleDef d = {PyModuleDef_HEAD_INIT, "m", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_%s(void) { %s; return PyModule_Create(&d); }
"""
Smoke = Callable[..., dict[str, Any]]


def wheel(folder: Path, *names: str, filename: str = "shop-1.0-cp313-cp313-linux_armv7l.whl") -> Path:
    with zipfile.ZipFile(folder / filename, "w") as bundle:
        for name in names:
            bundle.writestr(name, "")
    return folder / filename


def compile_module(folder: Path, name: str, before: str = "", inside: str = "", *options: str) -> None:
    folder.mkdir(exist_ok=True)
    source = folder / f"{name}.c"
    source.write_text(C_MODULE % (before, name, inside))
    command = ["cc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source)]
    subprocess.run([*command, "-o", str(folder / f"{name}{SUFFIX}"), *options], check=True)


@pytest.fixture
def smoke(tmp_path: Path) -> Smoke:
    """Import what lies in `site-packages` by the runner, in the interpreter that runs the tests, and judge."""
    packages = tmp_path / "lib" / "site-packages"
    packages.mkdir(parents=True)

    def run(
        modules: dict[str, str],
        *,
        tried: Sequence[str] = (),
        extensions: Sequence[str] = (),
        seconds: float = 20,
        **more: Any,
    ) -> dict[str, Any]:
        for name, text in modules.items():
            place = packages / (name if name.endswith(".py") else f"{name}.py")
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)
        names = [*(tried or modules), *extensions]
        request, answer = tmp_path / "request.json", tmp_path / "answer"
        request.write_text(json.dumps({"modules": names, "seconds": seconds}))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "HOME": str(tmp_path)}
        command = [sys.executable, smoke_runner.__file__, str(request), str(answer)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment, cwd=tmp_path)
        (tmp_path / "output").write_bytes(done.stdout + done.stderr)
        return judge(
            tried or list(modules), answer.read_bytes(), done.returncode, False, extensions=extensions, **more
        )  # fmt: skip

    return run


# ---- which modules a wheel has


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["shop/__init__.py", "shop/inner.py", "shop-1.0.dist-info/METADATA"], ["shop"]),
        (["spidev.cpython-313-arm-linux-gnueabihf.so"], ["spidev"]),
        (["_sass.abi3.so", "sass.py", "plain.so"], ["plain", "sass", "_sass"]),
        (["other.py", "shop.py", "_private.py"], ["shop", "other", "_private"]),
        (["old.cpython-27m.so", "old.cpython-312-x.so", "new.cpython-313-x.so"], ["new"]),
        (["google/cloud/x/__init__.py", "google/cloud/x/y.py", "google/z.py"], ["google.cloud.x", "google.z"]),
        (["shop-1.0.data/purelib/a.py", "shop-1.0.data/platlib/b.py", "shop-1.0.data/scripts/c.py"], ["a", "b"]),
        (["tests/__init__.py", "docs/conf.py", "examples/a/__init__.py", "setup.py", "test_shop.py", "x.py"], ["x"]),
        (["no-name.py", "class.py", "__init__.py", "a-b/__init__.py", "data.txt", "x.pyi", "libx.so"], []),
        (["shop/data.txt", "shop/lib/libz.so"], []),
    ],
)
def test_the_modules_of_a_wheel_are_those_a_user_would_import(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    assert top_level_modules(wheel(tmp_path, *names)) == expected


def test_a_project_that_is_called_test_has_a_module_test(tmp_path: Path) -> None:
    assert top_level_modules(wheel(tmp_path, "test/__init__.py", filename="test-1.0-py3-none-any.whl")) == ["test"]


def test_extension_modules_inside_a_package_are_tried_too(tmp_path: Path) -> None:
    made = wheel(tmp_path, "RPi/__init__.py", "RPi/_GPIO.cpython-313-arm.so", "RPi/tests/_x.abi3.so", "top.abi3.so")
    assert extension_modules(made) == ["RPi._GPIO"]


def test_the_number_of_modules_is_bounded(tmp_path: Path) -> None:
    assert len(top_level_modules(wheel(tmp_path, *(f"m{number}.py" for number in range(500))))) == 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x05\x06" + b"\0" * 10,
        b"PK\x05\x06" + b"\0" * 4 + b"\xff" * 14,
        b"x" * 100 + b"PK\x05\x06" + b"\0" * 4 + (MAX_ENTRIES + 1).to_bytes(4, "little") * 2 + b"\0" * 10,
        b"x" * 100 + b"PK\x05\x06\0\0\0\0\5\0\5\0\x40\0\0\0\0\0\0\0\0\0",
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shop-1.0-py3-none-any.whl").write_bytes(content)
    with pytest.raises(BadWheel):
        top_level_modules(tmp_path / "shop-1.0-py3-none-any.whl")


# ---- what came of importing


def test_a_module_that_imports_is_imported(smoke: Smoke) -> None:
    assert smoke({"shop": "import json"}) == {
        "outcome": "imported",
        "detail": "",
        "modules": [{"name": "shop", "outcome": "imported", "detail": ""}],
    }


@pytest.mark.parametrize(
    ("outcome", "source"),
    [
        ("needs_package", "import gi_that_is_not_here"),
        ("needs_package", "try:\n    import gi_that_is_not_here\nexcept ImportError:\n    raise SystemExit('sorry')"),
        ("needs_package", "import ctypes; ctypes.CDLL('libnothing.so.3')"),
        ("needs_package", "raise OSError('PortAudio library not found')"),
        ("needs_package", "raise ImportError('This library requires numpy. Install with: sudo pip install numpy')"),
        ("needs_hardware", "raise RuntimeError('This module can only be run on a Raspberry Pi!')"),
        ("needs_hardware", "raise RuntimeError('Cannot determine SOC peripheral base address')"),
        ("needs_hardware", "open('/dev/gpiomem0')"),
        ("needs_hardware", "open('/sys/class/gpio/export', 'w')"),
        ("needs_hardware", "open('/proc/device-tree/model')"),
        ("needs_hardware", "raise NotImplementedError('Board not supported GENERIC_LINUX_PC')"),
        ("needs_hardware", "raise NotImplementedError('analogio not supported for this board.')"),
        ("needs_hardware", "import os; os.environ['DISPLAY']"),
        ("needs_hardware", "raise ImportError('failed to acquire X connection: Bad display name')"),
        ("needs_hardware", "import socket; socket.create_connection(('127.0.0.1', 1))"),
        ("untested", "raise OSError('[Errno -3] Temporary failure in name resolution')"),
        ("untested", "import os; os.environ['SHOP_TOKEN']"),
        ("broken", "def ("),
        ("broken", "print 'Python 2'"),
        ("broken", "import urllib2"),
        ("broken", "import winreg"),
        ("broken", "import shop.missing"),
        ("broken", "import _shop_speedups"),
        ("broken", "import json.no_longer_there"),
        ("broken", "from collections import Mapping"),
        ("broken", "None.shop"),
        ("broken", "open('VERSION')"),
        ("broken", "raise SystemExit(1)"),
        ("broken", "import os; os._exit(0)"),
        ("broken", "import os; os.abort()"),
        ("broken", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    ],
)
def test_whose_fault_a_failed_import_is(smoke: Smoke, outcome: str, source: str) -> None:
    found = smoke({"shop": source})
    assert found["outcome"] == outcome, found
    assert found["detail"].startswith("shop: ")
    assert "\n" not in found["detail"]


def test_an_extension_with_an_undefined_symbol_is_broken_though_its_package_imports(
    smoke: Smoke, tmp_path: Path
) -> None:
    package = tmp_path / "lib" / "site-packages" / "shop"
    compile_module(package, "_good")
    compile_module(package, "_bad", "extern int nowhere(void);", "nowhere()")
    found = smoke({"shop/__init__.py": ""}, tried=["shop"], extensions=["shop._bad", "shop._good"])
    assert found["outcome"] == "broken"
    assert "undefined symbol: nowhere" in found["detail"]
    assert [each["outcome"] for each in found["modules"]] == ["imported", "broken", "imported"]


def test_a_missing_library_is_the_fault_of_the_wheel_that_was_linked_to_it(smoke: Smoke, tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "site-packages"
    lost = tmp_path / "liblost.so.7"
    subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", str(lost), "-Wl,-soname,liblost.so.7"],
                   input=b"int lost(void) { return 1; }", check=True)  # fmt: skip
    compile_module(packages, "shop", "extern int lost(void);", "lost()", str(lost))
    lost.unlink()
    assert smoke({}, tried=["shop"])["outcome"] == "broken"
    assert smoke({"app": "import shop"})["outcome"] == "needs_package"  # of another wheel: its package of the system


def test_a_crash_in_one_module_leaves_what_is_known_of_the_others(smoke: Smoke) -> None:
    found = smoke({"a": "", "b": "import ctypes; ctypes.string_at(1)", "c": ""})
    assert [each["outcome"] for each in found["modules"]] == ["imported", "broken", "imported"]
    assert "SIGSEGV" in found["detail"]


def test_no_module_is_blamed_for_what_another_one_did(smoke: Smoke) -> None:
    harm = "import os, sys, builtins; os.chdir('/'); sys.modules['json'] = None; builtins.open = None; sys.path.clear()"
    found = smoke({"a": harm, "b": "import json, wave; open(__file__).close()"})
    assert found["outcome"] == "imported", found


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.closerange(0, 1000)",
        "import glob, os; [os.remove(each) for each in glob.glob('answer*')]",
        "import glob, os\nfor each in glob.glob('answer*'):\n    os.remove(each); os.symlink('/etc/passwd', each)",
        "import os; os.chdir('/tmp')",
        "import sys; sys.stdout.write('x' * 5_000_000)",
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
        "import os; os.fork()",
        "import os; os.fork(); os.fork(); os.setsid",
        "import json; json.dumps = None; json.JSONEncoder = None",
        "import sys; sys.stdin.read()",
        "import sys; sys.setrecursionlimit(50)",
        "import os; os.getpid = os._exit = lambda *a: 1",
    ],
)
def test_whatever_a_module_does_it_is_reported_that_it_imports(smoke: Smoke, tmp_path: Path, source: str) -> None:
    found = smoke({"shop": source, "other": ""})
    assert found["outcome"] == "imported", found
    assert (tmp_path / "output").stat().st_size < 100_000


def test_a_daemon_ends_with_the_import_and_does_not_delay_it(smoke: Smoke, tmp_path: Path) -> None:
    daemon = "import os, time\nif os.fork() == 0:\n    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    wait = "import os, time\nwhile not (os.path.exists('pid') and open('pid').read()): time.sleep(0.01)\n"
    assert smoke({"shop": daemon + wait})["outcome"] == "imported"
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_an_import_that_hangs_is_ended_and_the_log_says_where(smoke: Smoke, tmp_path: Path) -> None:
    found = smoke({"shop": "import time\nwhile True: time.sleep(0.1)", "other": ""}, seconds=2.5)
    assert [each["outcome"] for each in found["modules"]] == ["broken", "untested"]
    assert "still being imported after" in found["detail"]
    assert 'shop.py", line 2' in (tmp_path / "output").read_text()


def test_an_exception_that_cannot_be_shown_is_shown_somehow(smoke: Smoke) -> None:
    source = "class E(BaseException):\n    def __str__(self): raise self\n    name = property(lambda s: 1/0)\nraise E()"
    assert "E: (an exception that cannot be shown)" in smoke({"shop": source})["detail"]


def test_a_private_module_that_needs_more_does_not_count_and_a_broken_one_does(smoke: Smoke) -> None:
    assert smoke({"shop": "", "_extra": "import not_here"})["outcome"] == "imported"
    assert smoke({"shop": "", "_extra": "def ("})["outcome"] == "broken"


# ---- judging


def test_without_its_requirements_a_wheel_is_untested_unless_it_is_broken_for_certain(smoke: Smoke) -> None:
    complaints = ["shop 1.0 requires six, which is not installed."]
    for source, outcome in (
        ("import six_not_here", "untested"),
        ("None.x", "untested"),
        ("def (", "broken"),
        ("", "imported"),
    ):
        found = smoke({"shop": source}, complaints=complaints)
        assert (found["outcome"], "requires six" in found["detail"]) == (outcome, outcome != "broken")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xfe\n[1]\n{}\nnull\n" + b"[" * 100_000,
        b'{"name": "shop", "outcome": ["imported"]}',
        b'{"name": "shop", "outcome": "failed", "errors": {"a": 1}, "detail": 7}',
        b'{"name": "shop", "outcome": "failed", "errors": [null, {"types": 5, "text": 5, "missing": []}]}',
        b'{"name": "other", "outcome": "imported"}\n' * 1000,
    ],
)
def test_an_answer_that_makes_no_sense_does_not_pass(answer: bytes) -> None:
    found = judge(["shop"], answer, 0, False)
    assert (found["outcome"], len(found["modules"])) == ("broken", 1)


def test_the_first_word_about_a_module_counts_and_details_are_one_short_line() -> None:
    lines = [
        {"name": "shop", "outcome": "exited", "detail": "\n\x1b[31m" + "x" * 9000},
        {"name": "shop", "outcome": "imported"},
    ]
    found = judge(["shop"], "\n".join(map(json.dumps, lines)).encode(), 0, False)
    assert found["outcome"] == "broken"
    assert found["detail"].isprintable()
    assert len(found["detail"]) <= 300


@pytest.mark.parametrize(
    ("code", "late", "word"), [(-9, False, "signal 9"), (137, False, "code 137"), (0, True, "time was")]
)
def test_what_ended_the_test_is_said_of_the_module_it_was_at(code: int, late: bool, word: str) -> None:
    found = judge(["a", "b", "c"], b'{"name": "a", "outcome": "imported"}', code, late)
    assert [each["outcome"] for each in found["modules"]] == ["imported", "broken", "untested"]
    assert word in found["detail"]


def test_a_wheel_without_modules_is_untested() -> None:
    assert judge([], b"", 0, False)["outcome"] == "untested"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "WARNING: old\nshop 1.0 requires six, which is not installed.\nother 2 requires x, which is not installed.",
            1,
        ),
        ("Shop.x 1.0 has requirement six>=2, but you have six 1.0.", 0),
        ("SHOP 1.0 has requirement six>=2, but you have six 1.0.", 1),
        ("Found 1 incompatibility\nThe package `shop` requires `six>=2`, but `1.0` is installed", 1),
        ("The package `shop` requires `six`, but it's not installed\nThe package `b` requires `c`, but it's not", 1),
        ("shop 1.0 requires a, which is not installed.\n" * 1000, 20),
        ("", 0),
    ],
)
def test_only_the_wheels_own_complaints_of_pip_and_uv_are_kept(said: str, expected: int) -> None:
    assert len(parse_check(said, 1, "shop")) == expected
    assert parse_check(said, 0, "shop") == []
