"""From a number in a table back to the samples that it was taken from.

    python -m workflow.why TABLE VALUE ... [--run results]

prints the rows of a table in which all VALUES stand, the findings behind a verdict, and each cell
behind those: its numbers, what made it, its samples, and the command that makes its shard again.

    python -m workflow.why verdicts lstm_faster
    python -m workflow.why timing transformer 500
"""

import argparse
import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

KEYS = ["experiment", "lr", "model", "seq_len", "seed"]


def main(table, values, run):
    """Print what stands behind the rows of `table` that hold all `values`; run: the run's folder."""
    rows = load(run, table)
    texts = rows.drop(columns="architecture", errors="ignore").astype(str).to_numpy().tolist()
    rows = rows[[{*values} <= {*row} for row in texts]]
    if rows.empty:
        raise SystemExit(f"no row of {run}/tables/{table}.parquet holds {' and '.join(values)}")
    show(rows)
    if "claim" in rows:
        findings = load(run, "findings")
        rows = findings[findings["statement"].isin(rows["claim"])]
        show(rows)
    cells = [part for row in rows.to_dict("records") for part in cells_of(run, table, row)]
    for cell in pd.concat(cells).drop_duplicates(KEYS).to_dict("records"):
        print(*about(run, cell), sep="\n    ", end="\n\n")


def cells_of(run, table, row):
    """The cells that a row speaks of, by experiment; a table of no experiment is one of recall."""
    of_recall = table in ("gradient_flow", "attention", "distance")
    names = row.get("experiment") or ("recall" if of_recall else table.removesuffix("_cells"))
    models = {row.get("model"), row.get("relative_to"), *str(row.get("models")).split(" / ")}
    for name in names.split(" / "):
        if Path(run, f"tables/{name}_cells.parquet").is_file():  # it was run
            cells = load(run, f"{name}_cells")
            keep = cells["model"].isin(models) | ("every" in models)
            for key in ("seq_len", "seed", "lr"):
                if key in cells and pd.notna(row.get(key)):
                    keep &= cells[key] == row[key]
            yield cells[keep].assign(lr=cells.get("lr"))


def about(run, cell):
    """Lines on a cell: its shard, its numbers and what made it, its samples, how to make it again."""
    names = [f"{key}~{cell[key]}" for key in KEYS[1:]]
    paths = [Path(run, cell["experiment"], *names[i:]).with_suffix(".parquet") for i in (0, 1)]
    path = next((path for path in paths if path.is_file()), None)
    yield str(path or f"{paths[1]} is not kept; this is from the table of cells")
    yield ", ".join(f"{key} {value}" for key, value in cell.items() if said(value))
    if path:
        table = pq.read_table(path, partitioning=None)
        (row,) = table.to_pylist()
        samples = np.array(row.get("samples_s") or row.get("train_loss") or [])
        text = np.array2string(samples, threshold=40, max_line_width=10**6)
        asked = json.loads(table.schema.metadata[b"provenance"])
        yield f"{len(samples)} samples: {text}"
        yield f"settings: {asked['settings']}"
        yield f"git checkout {cell['git_commit']}; {asked['command']}"


def load(run, name):
    """A table of the run."""
    path = Path(run, f"tables/{name}.parquet")
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.parquet")))
        raise SystemExit(f"there is no {path}; tables: {known}")
    return pd.read_parquet(path)


def said(value):
    return pd.notna(value) and value != ""


def show(rows):
    """Print rows as blocks of `column: value`."""
    for row in rows.to_dict("records"):
        print(*(f"{k}: {v}" for k, v in row.items() if said(v)), sep="\n", end="\n\n")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as head may leave
    parser = argparse.ArgumentParser(
        prog="python -m workflow.why", usage="%(prog)s TABLE VALUE ... [--run results]"
    )
    parser.add_argument("table")
    parser.add_argument("values", nargs="*")
    parser.add_argument("--run", default="results")
    main(**vars(parser.parse_args()))
