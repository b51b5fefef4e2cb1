"""Starts supervisord so that nothing it starts can slip away from it.

    python -m piwright.stack.launch CONFIGURATION

Whatever loses its parent below a "child subreaper" becomes the subreaper's child: builds that daemonise, the runner
that outlives its SSH connection. `piwright down` then finds all of them below supervisord.
"""

import ctypes
import sys

from supervisor import supervisord

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Become a subreaper, then supervisord itself."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        print("piwright: this kernel has no child subreaper; `make down` may miss a daemon", file=sys.stderr)  # noqa: T201
    supervisord.main(["--nodaemon", "--configuration", sys.argv[1]])


if __name__ == "__main__":
    main()
