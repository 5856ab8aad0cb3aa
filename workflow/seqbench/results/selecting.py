"""A run's tables, and the cells of them that a measure is taken from."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workflow.seqbench.log import UserError, again
from workflow.seqbench.results import sealing

EVERY = "every"  # in place of a model's name: the cells of all models together


class NotInRun(Exception):
    """The run lacks the cells that were asked for; the message says which."""


class NotRun(NotInRun):
    """The run lacks a whole experiment."""


class Run:
    """The tables of a run by name, each read when it is first asked for.

    tables: {name: path or data frame}; NAME_cells has one row per cell of the experiment NAME, and
    NAME_curves one row per training step.
    """

    def __init__(self, tables):
        self.tables = dict(tables)

    @classmethod
    def of_files(cls, paths):
        """The run that consists of these table files, each called by its file's name."""
        return cls({Path(path).stem: path for path in paths})

    def __contains__(self, name):
        return name in self.tables

    def table(self, name):
        """The table as a data frame; NotRun where there is none."""
        if name not in self.tables:
            raise NotRun(f"{name.removesuffix('_cells')} was not run")
        if not isinstance(self.tables[name], pd.DataFrame):
            self.tables[name] = read_table(self.tables[name])
        return self.tables[name]


def read_table(path, every_machine=False):
    """A table's file, .csv or .parquet; UserError where it is damaged.

    Of times on several kinds of machine, which have a column `machine`, those of the first one alone,
    on which most cells were made: what is drawn and judged is of one kind.
    """
    if Path(path).suffix == ".csv":
        return pd.read_csv(path)
    published = "results/reference/" in str(path)
    advice = f"git checkout -- {path}" if published else again(path)
    sentence = f"{path} is damaged; make it again: {advice}"
    if sealing.intact(Path(path).read_bytes()) is False:
        raise UserError(sentence)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are among them
        raise UserError(f"{sentence} (it cannot be read: {error})") from error
    if "machine" in table and not every_machine:
        table = table[table["machine"] == table["machine"].iloc[0]].reset_index(drop=True)
    return table


class Selection(NamedTuple):
    """Cells of one model in one experiment, and their training curves where there are any."""

    model: str
    cells: pd.DataFrame
    curves: pd.DataFrame | None = None

    @property
    def reference(self):
        """Name of the model that took turns with this one in every process; None if there is none."""
        names = set(self.cells["reference"]) if "reference" in self.cells else {None}
        return names.pop() if len(names) == 1 else None

    def at(self, seq_len):
        """The part of it at one length."""
        curves = self.curves
        if curves is not None:
            curves = curves[curves["seq_len"] == seq_len]
        return self._replace(cells=self.cells[self.cells["seq_len"] == seq_len], curves=curves)

    def over(self, partner):
        """Times over those of what took turns with the model, `reference` or `half`, as a matrix."""
        if f"over_{partner}" in self.cells:
            return self.matrix(f"over_{partner}")
        return self.matrix("time_s") / self.matrix(f"{partner}_time_s")

    def matrix(self, column):
        """Values by process (rows) and length (columns, ascending); NaN where a cell has none."""
        return self.cells.pivot(index="seed", columns="seq_len", values=column).astype(float)


def incomplete(cells):
    """ "70 of 72 cells" where a table of cells lacks some of its experiment's, else ""."""
    size = cells["cells_asked"].iloc[0] if "cells_asked" in cells else len(cells)
    where = f", those on {cells['machine'].iloc[0]}" if "machine" in cells else ""
    return f"{len(cells)} of {size} cells{where}" if len(cells) < size else ""


def mixed(*cells):
    """What tables of trainings are of several of (`collecting.SHARED`): "2 CPU models", "3 GPUs"."""

    def values(column):
        return {value for table in cells for value in table.get(column, ())}

    kinds = {"CPU models": values("cpu_model")}
    if "cuda" in values("device"):
        kinds["GPUs"] = values("device_name")
    return [f"{len(named)} {kind}" for kind, named in kinds.items() if len(named) > 1]


def select(run, experiment, model, seq_len=None, needs=None):
    """The Selection of a model's cells that were made at `seq_len` and as `needs` says.

    needs: {column: value}; cells that were made otherwise do not count. NotInRun where none are left,
    unless the model is the one that took turns with the others and has no cells of its own.
    """
    cells = run.table(f"{experiment}_cells")
    wanted = ({} if seq_len is None else {"seq_len": seq_len}) | (needs or {})
    if "reference" in cells and model in {*cells["reference"]} - {*cells["model"]}:
        return Selection(model, cells.iloc[:0])
    if model != EVERY:
        cells = cells[cells["model"] == model]
    for column, value in wanted.items():
        if column not in cells:
            raise NotInRun(f"{experiment} has no column {column}")
        cells = cells[cells[column] == value]
    if cells.empty:
        how = ", ".join(f"{key} {value}" for key, value in wanted.items())
        raise NotInRun(f"{experiment} has no {model}{f' with {how}' if how else ''}")
    curves = None
    if f"{experiment}_curves" in run:
        curves = run.table(f"{experiment}_curves")
        curves = curves if model == EVERY else curves[curves["model"] == model]
    selection = Selection(model, cells, curves)
    return selection if seq_len is None else selection.at(seq_len)
