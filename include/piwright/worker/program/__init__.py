"""The worker program: what runs on the Pi. Standard library only, Python 3.9 or newer, shipped as one zipapp.

    python worker-VERSION.pyz --state DIRECTORY run BATCH | status BATCH | cancel BATCH | sweep [--keep BATCH ...]

Where to look: `cli` (arguments and answers), `protocol` (the spec and the status as data), `batch` (the directory of a
batch and its lock), `launch`, `runner`, `cancel`, `sweep` (the commands), `build` (one build, phase by phase), `fetch`,
`unpack`, `tools`, `requirements`, `backend`, `wheels` (the phases), `commands`, `containment` and `processes` (how
a build's processes are started, held and ended). `facts`, `hook_runner` and `read_pyproject` run alone, in other
interpreters.
"""
