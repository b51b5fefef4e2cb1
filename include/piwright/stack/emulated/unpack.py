"""Unpacks Debian packages into a folder and writes dpkg's database for them, without running any of their scripts.

    python -m piwright.stack.emulated.unpack ROOT NATIVE-ARCHITECTURE DEB...

Runs as root of a namespace. What dpkg would answer in the guest (`dpkg -S`, `dpkg-query -W`) it answers afterwards.
"""

import io
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LEFT_OUT = (
    "./usr/share/man/*",
    "./usr/share/doc/*",
    "./usr/share/locale/*",
    "./usr/share/info/*",
    "./usr/share/zoneinfo/*",
)
"""Nobody reads them in a guest, and they are a third of all files."""

_MERGED = ("bin", "sbin", "lib")
"""Folders that are links into /usr since bookworm; its packages still say /lib."""


def make_skeleton(root: Path, *, native_is_64_bit: bool) -> None:
    """The links that packages are unpacked through, as usrmerge leaves them."""
    for name in (*_MERGED, *(["lib64"] if native_is_64_bit else [])):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/info/format").write_text("1\n")


def unpack(package: Path, root: Path) -> str:
    """Unpack one package and its control files; answers its paragraph for dpkg's status."""
    control = _control_files(package)
    fields = _fields(control["control"].decode())
    name = fields["Package"]
    if fields.get("Multi-Arch") == "same":
        name += ":" + fields["Architecture"]
    names = _unpack_files(package, root)
    info = root / "var/lib/dpkg/info"
    (info / f"{name}.list").write_text("".join(f"{each}\n" for each in names))
    for member, content in control.items():
        if member != "control":
            (info / f"{name}.{member}").write_bytes(content)
    head, _, rest = control["control"].decode().strip().partition("\n")
    return f"{head}\nStatus: install ok installed\n{rest}\n"


def _unpack_files(package: Path, root: Path) -> list[str]:
    """Unpack what is to be installed; answers paths as dpkg lists them."""
    reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    excluded = [f"--exclude={each}" for each in LEFT_OUT]
    writer = subprocess.run(
        [
            *("tar", "--extract", "--verbose", "--quoting-style=literal", "--directory", root),
            *("--numeric-owner", "--same-owner", "--preserve-permissions", "--keep-directory-symlink", *excluded),
        ],
        stdin=reader.stdout,
        stdout=subprocess.PIPE,
        check=True,
    )
    if reader.wait():
        raise RuntimeError(f"{package.name} is damaged: dpkg-deb ended with exit code {reader.returncode}.")
    paths = (line.removeprefix(".").rstrip("/") for line in writer.stdout.decode().splitlines())
    return [path or "/." for path in paths]


def _control_files(package: Path) -> dict[str, bytes]:
    data = subprocess.run(["dpkg-deb", "--ctrl-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {each.name.removeprefix("./"): archive.extractfile(each) for each in archive if each.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _fields(paragraph: str) -> dict[str, str]:
    lines = (line.partition(":") for line in paragraph.splitlines() if line[:1].strip())
    return {name: value.strip() for name, _, value in lines}


def main() -> None:
    """Unpack everything the command line names."""
    root, native, packages = Path(sys.argv[1]), sys.argv[2], [Path(each) for each in sys.argv[3:]]
    make_skeleton(root, native_is_64_bit=native == "amd64")
    # Several folders every package has come with this one, with the modes they should have.
    packages.sort(key=lambda each: not each.name.startswith("base-files_"))
    paragraphs = [unpack(packages[0], root)]
    with ThreadPoolExecutor() as threads:
        paragraphs += threads.map(lambda each: unpack(each, root), packages[1:])
    (root / "var/lib/dpkg/status").write_text("\n".join(paragraphs))
    architectures = dict.fromkeys(_fields(each)["Architecture"] for each in paragraphs)
    (root / "var/lib/dpkg/arch").write_text("".join(f"{each}\n" for each in architectures if each != "all"))


if __name__ == "__main__":
    main()
