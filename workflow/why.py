"""From a number in a table back to the samples that it was taken from.

    python -m workflow.why TABLE VALUE ... [--run results]

prints the rows of a table in which all VALUES stand, the findings behind a verdict or an answer, and
each cell behind those: its numbers, what made it, its samples, and the command that makes its shard
again.

    python -m workflow.why verdicts lstm_faster
    python -m workflow.why timing transformer 500
"""

import argparse
import json
import signal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from workflow.seqbench.log import UserError
from workflow.seqbench.results.collecting import intact
from workflow.seqbench.results.selecting import read_table

KEYS = ["experiment", "lr", "model", "seq_len", "seed"]
STATEMENT = {"verdicts": "claim", "answers": "answer", "recall_answers": "answer"}
STATEMENT["compare"] = "name"  # where it compares claims
OF_RECALL = ("gradient_flow", "attention", "distance")


def main(table, values, run):
    """Print what stands behind the rows of `table` that hold all `values`; run: the run's folder."""
    rows = load(run, table)
    texts = rows.drop(columns="architecture", errors="ignore").astype(str).to_numpy().tolist()
    rows = rows[[{*values} <= {*row} for row in texts]]
    if rows.empty:
        raise SystemExit(f"no row of {run}/tables/{table}.parquet holds {' and '.join(values)}")
    show(rows)
    if table in STATEMENT:
        findings = load(run, "findings")
        behind = findings[findings["statement"].isin(rows[STATEMENT[table]])]
        show(behind)
        rows = rows if behind.empty else behind
    cells = [part for row in rows.to_dict("records") for part in cells_of(run, table, row)]
    cells = [part for part in cells if len(part)]
    if not cells:
        print("No cell of this run is behind that: not run here, or kept in workflow/original/.")
        return
    for cell in pd.concat(cells).drop_duplicates(KEYS).to_dict("records"):
        print(*about(run, cell), sep="\n    ", end="\n\n")


def cells_of(run, table, row):
    """The cells that a row speaks of, by experiment."""
    names = row.get("experiment") or row.get("name", "").split(":")[0]  # a comparison's
    names = names or ("recall" if table in OF_RECALL else table)
    models = {row.get("model"), row.get("relative_to"), *str(row.get("models")).split(" / ")}
    for name in names.split(" / "):
        name = name.removesuffix("_cells").removesuffix("_samples").removesuffix("_curves")
        if Path(run, f"tables/{name}_cells.parquet").is_file():  # it was run
            cells = load(run, f"{name}_cells")
            keep = cells["model"].isin(models) | bool({"every", ""} & models)
            if "machine" in cells:  # what is judged is of the first
                row = {"machine": cells["machine"].iloc[0]} | row
            for key in ("seq_len", "seed", "lr", "machine"):
                if key in cells and pd.notna(row.get(key)):
                    keep &= cells[key] == row[key]
            yield cells.assign(lr=cells.get("lr"))[keep]


def about(run, cell):
    """Lines on a cell: its shard, its numbers and what made it, its samples, how to make it again."""
    names = [f"{key}~{cell[key]}" for key in KEYS[1:]]
    paths = [Path(run, cell["experiment"], *names[i:]).with_suffix(".parquet") for i in (0, 1)]
    swept = "chosen" in load(run, cell["experiment"])
    path = paths[0] if swept else paths[1]
    yield str(path) if path.is_file() else f"{path} is not kept; this is from the table of cells"
    yield ", ".join(f"{key} {value}" for key, value in cell.items() if said(value))
    checkout = f"git checkout {cell['git_commit']} && " if said(cell["git_commit"]) else ""
    table = intact(path) if path.is_file() else None
    if table is not None:
        (row,) = table.to_pylist()
        asked = json.loads(table.schema.metadata[b"provenance"])
        yield listed(row.get("samples_s") or row.get("train_loss") or [])
        yield f"settings: {asked['settings']}"
        yield f"{checkout}{asked['command']}"
        return
    if path.is_file():
        yield "its shard is not as it was written: damaged, edited, or of an older version"
    if (samples := kept(run, cell)) is not None:
        yield listed(samples)
    before, command, folder = called(Path(run))
    yield f"{before}{checkout}{command} --force {Path(folder, path.relative_to(run))}"


def kept(run, cell):
    """Samples of a cell, or its training losses, by the run's table of them; None where it has none."""
    names = (f"{cell['experiment']}_{lists}" for lists in ("samples", "curves"))
    for name in (name for name in names if Path(run, f"tables/{name}.parquet").is_file()):
        table = load(run, name)
        keys = [key for key in KEYS if key in table]
        return table[(table[keys] == pd.Series(cell)[keys]).all(axis=1)].iloc[:, -1]


def listed(samples):
    """Samples of a cell, or its training losses, the first and last of many."""
    return f"{len(samples)} samples: {np.array2string(np.array(samples), threshold=40, max_line_width=10**6)}"


def called(run):
    """(what to do before its commit is checked out, how the run was called, folder of its shards)."""
    config, manifest = run / "config.yaml", run / "manifest.json"
    if config.is_file():  # it was published, and its shards were kept elsewhere
        folder = yaml.safe_load(config.read_text()).get("pathvars", {}).get("results", "results")
        return f"cp {config} run.yaml && ", "snakemake --cores 4 --configfile run.yaml", folder
    command = "snakemake --cores 4"
    if manifest.is_file():
        command = json.loads(manifest.read_text())["command"]
    return "", command, run


@cache
def load(run, name):
    """A table of the run."""
    path = Path(run, f"tables/{name}.parquet")
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.parquet")))
        runs = ", ".join(map(str, sorted(Path("results/reference").glob("*"))))
        raise SystemExit(
            f"there is no {path}; tables: {known or 'none'}; published runs, for --run: {runs}"
        )
    return read_table(path, every_machine=True)


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
    try:
        main(**vars(parser.parse_args()))
    except UserError as error:
        raise SystemExit(f"Error: {error}") from error
