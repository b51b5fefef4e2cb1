"""The verbs of the `piwright` command, one file each. They parse, call a stage, and print; nothing is decided here."""
