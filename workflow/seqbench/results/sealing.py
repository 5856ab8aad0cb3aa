"""Parquet files that say in a few bytes, which need no Parquet, whether they are what was written.

The seal is the sha256 of the file with the seal itself blank; it tells a damaged or edited file. The
digest of what a shard was asked to be tells one that another config, or other code, has made.
"""

import hashlib
import io
import json
import os
import re
import uuid
from pathlib import Path

BLANK = b"sha256:" + b"0" * 64
SEAL, ASKED = re.compile(rb"sha256:[0-9a-f]{64}"), re.compile(rb"asked:[0-9a-f]{16}")
FOOTER = 1 << 16  # the digest stands in a Parquet file's last bytes, and these are more


def sealed(content):
    """The bytes of a file with the seal in place of its blank."""
    return content.replace(BLANK, b"sha256:" + hashlib.sha256(content).hexdigest().encode())


def intact(content):
    """Whether these are the bytes that were sealed; None where there is no seal."""
    seals = SEAL.findall(content)
    return sealed(content.replace(seals[0], BLANK)) == content if seals else None


def save(table, path):
    """Write an Arrow table sealed, by way of a temporary file: whole or not at all."""
    import pyarrow.parquet as pq  # not needed where only digests are asked for

    path, content = Path(path), io.BytesIO()
    table = table.replace_schema_metadata((table.schema.metadata or {}) | {b"seal": BLANK})
    repeats = len(table) > 1  # a dictionary for one row would double the time of reading it
    pq.write_table(table, content, write_page_checksum=True, use_dictionary=repeats)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # two nodes may have one pid
    try:
        with open(temporary, "wb") as file:
            file.write(sealed(content.getvalue()))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def asked(parameters):
    """Digest of all that a cell's numbers depend on: model, reference, settings, digest of its code."""
    text = json.dumps(parameters, sort_keys=True)
    return f"asked:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def asked_of(path):
    """What the shard at `path` was asked to be: such a digest, "" if it does not say, None if it is not there."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - FOOTER))
            digest = ASKED.search(file.read())
    except FileNotFoundError:
        return None
    return digest[0].decode() if digest else ""
