"""Emulated Pis: a real Debian userland for ARM below qemu, behind a real sshd, as an ordinary user.

`shelf` remembers which there are, `host` says what the machine lacks, `packages` and `root` make the file system that
all of a suite and architecture share, `guest` runs one on top of it. docs/workers.md says what is real and what is not.
"""
