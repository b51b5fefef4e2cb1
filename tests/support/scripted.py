"""Sdists whose build does what a test says: an in-tree backend without requirements, so that it starts at once."""

import base64
import hashlib
import io
import json
import textwrap
import zipfile
from collections.abc import Mapping, Sequence

from support.upstream import Distribution, make_sdist

BACKEND = """\
import base64, hashlib, json, os, sys, time, zipfile

def facts(value):
    print("facts: " + json.dumps(value), flush=True)

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {"NAME.py": script() or ""}
    info = "NAME-VERSION.dist-info/"
    files[info + "METADATA"] = "Metadata-Version: 2.1\\nName: NAME\\nVersion: VERSION\\nMORE"
    files[info + "WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\\n" % (path, digest, len(text.encode()))
    files[info + "RECORD"] = record + info + "RECORD,,\\n"
    filename = "NAME-VERSION-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return filename

def script():
SCRIPT
"""

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def scripted(
    name: str,
    script: str = "pass",
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    dynamic: str | None = None,
    metadata: str = "",
    files: Mapping[str, str] | None = None,
) -> Distribution:
    """A project whose build runs `script` (os, sys, time and json are imported) and then makes a valid wheel.

    What the script returns becomes the module in it; `facts(value)` lets the test see a value. `requires`: static build
    requirements; `dynamic`: the script of get_requires_for_build_wheel; `metadata`: lines to add to METADATA;
    `files`: more of the source.
    """
    backend = BACKEND.replace("MORE", metadata.replace("\n", "\\n"))
    backend = backend.replace("SCRIPT", _body(script)).replace("NAME", name).replace("VERSION", version)
    if dynamic is not None:
        backend += f"\ndef get_requires_for_build_wheel(config_settings=None):\n{_body(dynamic)}\n"
    pyproject = PYPROJECT.replace("[]", json.dumps(list(requires)), 1)
    return make_sdist(name, version, files={**(files or {}), "backend.py": backend, "pyproject.toml": pyproject})


def _body(script: str) -> str:
    return textwrap.indent(textwrap.dedent(script).strip(), "    ")


def make_wheel(name: str, files: Mapping[str, str], requires: Sequence[str] = (), version: str = "1.0") -> Distribution:
    """A pure wheel with these files, which requires these other projects."""
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        for path, text in contents.items():
            bundle.writestr(path, text)
    return Distribution(f"{name}-{version}-py3-none-any.whl", made.getvalue())


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
