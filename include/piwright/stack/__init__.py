"""The embedded stack: everything on one machine, without Docker and without root. Real servers need none of it."""
