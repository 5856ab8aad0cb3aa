"""The report: one HTML file that holds a run's tables, the library that charts them, and a script.

The texts, styles and charts are in workflow/page/. What a number means is decided in results/ and
judging/: the page shows columns of tables, and ratios that are made here by `measures.ratio`.
"""

import itertools
import json
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import vl_convert

from workflow.seqbench.results.measures import ratio
from workflow.seqbench.results.selecting import Run, read_table, select
from workflow.seqbench.showing import provenance, style, tables
from workflow.seqbench.showing.readme import papers
from workflow.seqbench.showing.text import finding
from workflow.seqbench.sources import ROOT

PAGE = ROOT / "workflow/page"
POINTS = 120  # of each training curve, and samples of each cell, at most
SMOOTHING = 10  # steps of the running mean that a curve shows, as in the figures
VIEWS = {"causes": "expectations", "expectations": "expectations", "compare": "compare"}
CELL = ["model", "seq_len", "seed"]
LONG = ("_curves", "_samples")  # tables of which the page holds a part


def render(paths, shards, experiments=()):
    """The page of the run with the tables (Parquet) in `paths`, as text.

    shards: path of a shard, with EXPERIMENT and CELL in it; experiments: those that come first.
    """
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGE), autoescape=True)
    content = json.dumps(data(paths, shards, experiments), separators=(",", ":"))
    return templates.get_template("page.html").render(
        data=content.replace("<", "\\u003c"),
        library=vl_convert.javascript_bundle().replace("</script", "<\\/script"),
    )


def data(paths, shards, experiments):
    """What the page's script reads: {shards, proper, experiments, looks, names, tables, views, papers, lists}.

    `proper` is the step of the audit that the line of its chart ends at. A table is {rows, columns: {name: values, or one value if all are alike}}; `views` has some as
    people read them; `lists` the thinned curves and samples: {table: [{keys of the cell, x, y}]}.
    """
    frames = {path.stem: read_table(path) for path in sorted(map(Path, paths))}
    cells = {
        name.removesuffix("_cells"): frames[name] for name in frames if name.endswith("_cells")
    }
    cells = {name: frame for name, frame in cells.items() if not frame.duplicated(CELL).any()}
    # Sweeps, which have several cells of a kind, are left out.
    cells = {name: cells[name] for name in sorted(cells, key=[*experiments, *cells].index)}
    timed = [name for name, frame in cells.items() if "workload" in frame]
    everything = pd.concat([frame[["model", "architecture"]] for frame in cells.values()])
    whole = {name: frame for name, frame in frames.items() if not name.endswith(LONG)}
    if "findings" in whole:
        sentences = [finding(row) for row in whole["findings"].itertuples()]
        whole["findings"] = whole["findings"].assign(found=sentences)
    views = {name: tables.view(of, whole[name]) for name, of in VIEWS.items() if name in whole}
    if "fairness" in whole:
        views["fairness"] = tables.fairness(whole["fairness"])
    views["run"] = whole.setdefault("run", provenance.summarize(cells))
    whole["relative"] = relative(Run(frames), timed)
    return {
        "shards": shards,
        "proper": style.SPEC["audit"]["proper"],
        "experiments": {name: "timing" if name in timed else "training" for name in cells},
        "looks": style.looks(everything),
        "names": {model: style.title_of(model) for model in everything["model"].unique()},
        "tables": {name: table(frame) for name, frame in whole.items()},
        "views": {name: table(frame) for name, frame in views.items()},
        "papers": papers(),
        "lists": {name: thinned(frames[name]) for name in frames if name.endswith(LONG)},
    }


def table(frame):
    """A table by columns; nothing is null, and a column of one value is that value."""
    columns = {}
    for name, column in frame.items():
        values = [None if pd.isna(value) else value for value in column.tolist()]
        columns[name] = values[0] if len(set(values)) == 1 else values
    return {"rows": len(frame), "columns": columns}


def relative(run, experiments):
    """Time and RAM of each model over those of each other one: a row per (experiment, pair, seq_len)."""
    rows = []
    for experiment in experiments:
        models = run.table(f"{experiment}_cells")["model"].unique()
        chosen = [select(run, experiment, model) for model in models]
        for a, b in itertools.permutations(chosen, 2):
            for seq_len in sorted({*a.cells["seq_len"]} & {*b.cells["seq_len"]}):
                pair = a.at(seq_len), b.at(seq_len)
                time, ram = ratio(*pair)[:3], ratio(*pair, of="call_ram_bytes")[:3]
                rows.append([experiment, a.model, b.model, seq_len, *time, *ram])
    columns = ["experiment", "model", "relative_to", "seq_len", "ratio", "low", "high"]
    columns += ["ram_ratio", "ram_low", "ram_high"]
    return pd.DataFrame(rows, columns=columns)


def thinned(frame):
    """A part of the entries of each cell: (keys, x, y), losses as running means, to 4 digits."""
    *keys, index, value = (column for column in frame if column != "architecture")
    cells = []
    for key, rows in frame.groupby(keys, sort=False):
        x, y = rows[index], rows[value]
        if index == "step":
            y = y.rolling(SMOOTHING, min_periods=1).mean()
            spread = np.geomspace(1, len(x), POINTS // 2), np.linspace(1, len(x), POINTS // 2)
        else:
            spread = (np.linspace(1, len(x), POINTS),)
        kept = np.unique(np.concatenate(spread).round().astype(int)) - 1
        points = {"x": x.iloc[kept].tolist(), "y": [float(f"{v:.4g}") for v in y.iloc[kept]]}
        cells.append(dict(zip(keys, key, strict=True)) | points)
    return cells
