"""What cells cost: the seconds that they took in earlier runs, and how long others take by that."""

from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from workflow.seqbench.config import check
from workflow.seqbench.results import sealing
from workflow.seqbench.sources import ROOT

KEYS = ["experiment", "model", "seq_len"]
OVERHEAD_S = 0.5  # around a cell: its job, and the figures and tables at the end
FULL, SMOKE = "workflow/presets/full.yaml", "workflow/presets/smoke.yaml"
RUNS = {
    "the default run": ["config.yaml"],
    "the full run": ["config.yaml", FULL],
    "the smoke run": ["config.yaml", SMOKE],
}


def costs(cells):
    """Median seconds of the cells of each (experiment, model, seq_len)."""
    groups = cells.groupby(KEYS, sort=False)["cell_s"]
    return groups.agg(seconds="median", cells="size").reset_index()


def expected(jobs, known, alone, cores):
    """(seconds that the cells `jobs` will take on so many cores, how many of them are a guess).

    jobs: dicts with KEYS; known: tables of costs, the first that has a cell's counts; what none has
    is a guess. alone: the experiments whose cells have the machine for themselves, as timing has.
    """
    each = [*of_each(jobs, known, alone, cores)]
    return sum(seconds for seconds, _ in each), sum(guessed for _, guessed in each)


def of_each(jobs, known, alone, cores):
    """(seconds, whether that is a guess) of each job; the seconds of one that shares the machine are
    divided by the cores."""
    if not known:
        return
    table = pd.concat(known, ignore_index=True).drop_duplicates(KEYS)
    exact = dict(zip(table[KEYS].itertuples(index=False, name=None), table["seconds"], strict=True))
    guesses = {}
    for job in jobs:
        key = job["experiment"], job["model"], int(job["seq_len"])
        if key not in exact and key not in guesses:
            guesses[key] = guess(*key, table, alone)
        seconds = guesses[key] if key in guesses else exact[key]
        yield (seconds + OVERHEAD_S) / (1 if key[0] in alone else cores), key in guesses


def guess(experiment, model, seq_len, table, alone):
    """Seconds at the nearest length: of the model there, in such experiments, or of what there is."""
    alike = table[table["experiment"].isin(alone) == (experiment in alone)]
    of_model = alike[alike["model"] == model]
    here = of_model[of_model["experiment"] == experiment]
    rows = next(rows for rows in (here, of_model, alike, table) if len(rows))
    return rows.loc[(rows["seq_len"] - seq_len).abs().idxmin(), "seconds"]


def read(folders):
    """The costs of each of the runs in these folders, by all its tables of cells."""
    tables = [sorted(Path(folder).glob("tables/*_cells.parquet")) for folder in folders]
    runs = [map(cells_in, paths) for paths in tables]
    frames = [[frame for frame in run if frame is not None] for run in runs]
    return [costs(pd.concat(run, ignore_index=True)) for run in frames if run]


def cells_in(path):
    """What the costs need of a table of cells; None where it is damaged, or of an older version."""
    try:
        return pd.read_parquet(path, columns=[*KEYS, "cell_s"])
    except (OSError, ValueError):  # pyarrow's errors are among them
        return None


def sentence(jobs, known, alone, cores):
    """How long the cells `jobs` will take, in words."""
    if not jobs or not known:
        return ""
    seconds, guessed = expected(jobs, known, alone, cores)
    guess = f", {guessed} of them a guess" if guessed else ""
    return (
        f"{len(jobs)} cells, about {in_words(seconds)} on {cores} cores by what such cells took"
        f" before{guess}."
    )


def in_words(seconds):
    """ "62 minutes", or seconds where there are few."""
    return f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{seconds:.0f} seconds"


def shipped(run):
    """The Plan of one of the RUNS."""
    config = {}
    for file in RUNS[run]:
        update_config(config, yaml.safe_load((ROOT / file).read_text()))
    return check(config, local=False)


def cells_of(plan):
    """{shard: its cell, with its experiment and what it is asked for} of the default target."""
    return {
        plan.shard(name, cell): {"experiment": name, "asked": plan.asked(name, **cell)} | cell
        for name in plan.names(on_demand=False)
        for cell in plan.grid(name)
    }


def full_run(plan, known, cores):
    """What the full run adds to this one, in words; nothing if this is not a finished part of it."""
    full = shipped("the full run")
    own, every = cells_of(plan), cells_of(full)
    lacking = {name: c for name, c in every.items() if sealing.asked_of(name) != c["asked"]}
    part = all(every.get(shard) == cell for shard, cell in own.items())
    if not known or not part or not lacking or own.keys() & lacking.keys():
        return ""
    seconds, _ = expected(lacking.values(), known, full.names("timing"), cores)
    return (
        f"The full run adds {len(lacking)} cells, about {in_words(seconds)} on {cores} cores:"
        f" make run CONFIG={FULL}"
    )
