"""What to build, in which order, in which batch, on which worker."""
