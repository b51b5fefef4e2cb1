"""Whether a wheel keeps to the stable ABI: our answer is abi3audit's, but for what a project defines itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from intake.compiled import PRIVATE, STABLE, STABLE_SINCE_3_10, compile_c, extension, wheel_of
from intake.test_elf import read
from piwright.intake.abi3 import Abi3Audit, audit_abi3


@pytest.mark.parametrize(
    ("uses", "baseline", "expected"),
    [
        ((STABLE,), (3, 7), Abi3Audit((), (3, 7))),
        ((STABLE, STABLE_SINCE_3_10), (3, 7), Abi3Audit((), (3, 10))),
        ((STABLE, STABLE_SINCE_3_10), (3, 11), Abi3Audit((), (3, 11))),
        ((STABLE, PRIVATE), (3, 7), Abi3Audit((PRIVATE,), (3, 7))),
        (("_Py_NoneStruct", "_Py_Dealloc"), (3, 9), Abi3Audit((), (3, 9))),
    ],
)
def test_symbols_are_judged_as_abi3audit_judges_them(
    tmp_path: Path, uses: tuple[str, ...], baseline: tuple[int, int], expected: Abi3Audit
) -> None:
    code = extension("_spidev", "armv7", uses=uses)
    assert audit_abi3([read(code)], baseline) == expected
    path = wheel_of(tmp_path, f"cp3{baseline[1]}-abi3-linux_armv7l", {"_spidev.abi3.so": code})
    report = tmp_path / "report.json"
    command = [Path(sys.executable).with_name("abi3audit"), "--report", "--output", report, path]
    subprocess.run(command, check=False, capture_output=True)
    ((result,),) = [each["wheel"] for each in json.loads(report.read_text())["specs"].values()]
    said = result["result"]
    assert (tuple(said["non_abi3_symbols"]), said["computed"]) == (expected.foreign, f"3.{expected.computed[1]}")


def test_a_function_of_the_projects_own_is_no_violation() -> None:
    code = compile_c("void PyMine_New(void) {} void *PyInit_m(void) { PyMine_New(); return 0; }", "armv7")
    assert audit_abi3([read(code)], (3, 7)) == Abi3Audit((), (3, 7))


def test_a_link_to_the_library_of_one_python_is_a_violation() -> None:
    code = compile_c("int x;", "armv7", "-nostdlib", needs=("libpython3.11.so.1.0",))
    assert audit_abi3([read(code)], (3, 7)).foreign == ("libpython3.11.so.1.0",)
    assert audit_abi3([read(compile_c("int x;", "armv7", "-nostdlib", needs=("libpython3.so",)))], (3, 7)).foreign == ()


def test_auditing_opens_no_connection_and_no_file() -> None:
    program = """
import sys
from piwright.intake.abi3 import audit_abi3
from piwright.intake.elf import ElfFile
from piwright.intake.elf_dynamic import Dynamic
import abi3audit._audit
def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        print("forbidden:", event, arguments)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        print("forbidden:", event, arguments)
sys.addaudithook(watch)
print(audit_abi3([ElfFile("x", dynamic=Dynamic(python_symbols=("_PyLong_AsByteArray",)))], (3, 7)).foreign)
"""
    include = str(Path(__file__).parents[2] / "include")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": include}
    )
    assert done.stdout == "('_PyLong_AsByteArray',)\n"
