"""What hostile builds do, for scripted sdists."""

DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.environ.clear()
    os.chdir("/")
    open({pid_file!r} + ".part", "w").write(str(os.getpid()))
    os.rename({pid_file!r} + ".part", {pid_file!r})
    time.sleep(600)
while not os.path.exists({pid_file!r}):
    time.sleep(0.01)
"""
"""Leaves a daemon: its own session, no parent, nothing that tells where it came from but the parent's adoption."""
