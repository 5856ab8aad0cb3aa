"""Files that are there whole or not at all, however their process ends."""

from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path):
    """A path beside `path` to write to, of the same suffix; at the end it takes the place of `path`.

    What a process leaves that was killed on the way is written over by the next one.
    """
    temporary = Path(path).with_name(f".{Path(path).name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
