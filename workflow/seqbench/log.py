"""Where a job's output goes, and how an error that is the user's to mend is said."""

import os
import sys


class UserError(Exception):
    """Something the user can mend: its message is one sentence, shown without a traceback."""


def redirect(path):
    """Send what this process prints, also from C code, to the file `path`."""
    with open(path, "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    sys.excepthook = report


def report(kind, error, traceback):
    """Print the sentence of a UserError; anything else with its traceback."""
    if issubclass(kind, UserError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
