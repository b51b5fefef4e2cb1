"""What happened, as data: for the command, for notebooks, for whoever asks why."""
