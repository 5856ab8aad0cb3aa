"""What cells cost: the seconds that they took in a run, and how long others will take by that."""

from pathlib import Path

import pandas as pd

KEYS = ["experiment", "model", "seq_len"]
OVERHEAD_S = 0.5  # around a cell: its job, and the figures and tables at the end


def costs(cells):
    """The table `costs`: median seconds of the cells of each (experiment, model, seq_len)."""
    groups = cells.groupby(KEYS, sort=False)["cell_s"]
    return groups.agg(seconds="median", cells="size").reset_index()


def expected(jobs, known, alone, cores):
    """(seconds that the cells `jobs` will take on so many cores, how many of them are a guess).

    jobs: dicts with KEYS; known: tables of costs, the first that has a cell's counts. A cell that
    none has takes what the nearest length of its model takes there, or of any model. alone: the
    experiments whose cells have the machine for themselves.
    """
    each = [*of_each(jobs, known, alone, cores)]
    return sum(seconds for seconds, _ in each), sum(guess for _, guess in each)


def of_each(jobs, known, alone, cores):
    """(seconds, whether that is a guess) of each job; the seconds of one that shares the machine are
    divided by the cores."""
    if not known:
        return
    table = pd.concat(known, ignore_index=True).drop_duplicates(KEYS)
    exact = dict(zip(table[KEYS].itertuples(index=False, name=None), table["seconds"], strict=True))
    for job in jobs:
        experiment, model, seq_len = key = job["experiment"], job["model"], int(job["seq_len"])
        seconds = exact.get(key)
        if guess := seconds is None:
            of_model = table[table["model"] == model]
            in_experiment = of_model[of_model["experiment"] == experiment]
            like = next(rows for rows in (in_experiment, of_model, table) if len(rows))
            seconds = like.loc[(like["seq_len"] - seq_len).abs().idxmin(), "seconds"]
        yield (seconds + OVERHEAD_S) / (1 if experiment in alone else cores), guess


def read(paths):
    """Those of the tables of costs that are there."""
    return [pd.read_csv(path) for path in paths if Path(path).is_file()]


def sentence(jobs, known, alone, cores):
    """How long the cells `jobs` will take, in words."""
    if not jobs or not known:
        return ""
    seconds, guessed = expected(jobs, known, alone, cores)
    time = f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{seconds:.0f} seconds"
    guess = f", {guessed} of them a guess" if guessed else ""
    return (
        f"{len(jobs)} cells, about {time} on {cores} cores by what such cells took before{guess}."
    )
