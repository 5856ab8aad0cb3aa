"""The code that a cell's numbers depend on.

Apart from how cells are listed (experiments.py), so that whoever edits that measures nothing again.
"""

from workflow.seqbench import models
from workflow.seqbench.results import schemas
from workflow.seqbench.sources import load


def code_of(kind, settings, *entries):
    """(modules, layout) that a cell's numbers depend on: see `sources.digest`.

    entries: architecture and options of its models; one that is None does not count.
    """
    package = {"timing": "workloads", "training": "tasks"}[kind]
    built = [e for entry in entries if entry for e in (entry, entry.get("match_parameters_to"))]
    modules = {models.locate(entry["architecture"])[0] for entry in built if entry}
    action = f"workflow.seqbench.{package}.{settings.get('workload') or settings.get('task')}"
    rooms = f"workflow.scripts.{kind}_cell", f"workflow.seqbench.measuring.{kind}"
    needed = (*rooms, "workflow.seqbench.results.shards", action, *sorted(modules))
    return needed, schemas.layout(kind)


def load_code(asked, kind, settings, *entries):
    """Import what a cell needs; UserError where it is not the code of the digest `asked`."""
    modules, layout = code_of(kind, settings, *entries)
    load(asked, *modules, layout=layout)
