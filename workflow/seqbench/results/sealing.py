"""What a shard says of itself in a few bytes that need no Parquet: a checksum, and what was asked for.

The seal is the sha256 of the file with the seal itself blank; it tells a damaged or edited shard. The
digest of what was asked for tells one that another config, or other code, has made.
"""

import hashlib
import json
import re

BLANK = b"sha256:" + b"0" * 64
SEAL, ASKED = re.compile(rb"sha256:[0-9a-f]{64}"), re.compile(rb"asked:[0-9a-f]{16}")
FOOTER = 1 << 16  # the digest stands in a Parquet file's last bytes, and these are more


def sealed(content):
    """The bytes of a file with the seal in place of its blank."""
    return content.replace(BLANK, b"sha256:" + hashlib.sha256(content).hexdigest().encode())


def intact(content):
    """Whether these are the bytes that were sealed."""
    return len(SEAL.findall(content)) == 1 and sealed(SEAL.sub(BLANK, content)) == content


def asked(parameters):
    """Digest of all that a cell's numbers depend on: model, reference, settings, digest of its code."""
    text = json.dumps(parameters, sort_keys=True)
    return f"asked:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def asked_of(path):
    """What the shard at `path` was asked to be: such a digest, "" if it does not say, None if it is not there."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - FOOTER))
            found = ASKED.search(file.read())
    except FileNotFoundError:
        return None
    return found[0].decode() if found else ""
