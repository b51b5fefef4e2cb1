"""Sdists whose build does what a test says: an in-tree backend without requirements, so that it starts at once."""

import textwrap

from support.upstream import Distribution, make_sdist

BACKEND = """\
import base64, hashlib, os, sys, time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {"NAME.py": script() or ""}
    info = "NAME-VERSION.dist-info/"
    files[info + "METADATA"] = "Metadata-Version: 2.1\\nName: NAME\\nVersion: VERSION\\n"
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


def scripted(name: str, script: str = "pass", version: str = "1.0") -> Distribution:
    """A project whose build runs `script` (os, sys and time are imported) and then makes a valid wheel.

    What the script returns becomes the module in it.
    """
    body = textwrap.indent(textwrap.dedent(script).strip(), "    ")
    backend = BACKEND.replace("SCRIPT", body).replace("NAME", name).replace("VERSION", version)
    return make_sdist(name, version, files={"backend.py": backend, "pyproject.toml": PYPROJECT})
