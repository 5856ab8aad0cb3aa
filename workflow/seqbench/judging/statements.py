"""Statements: claims, expectations and steps of the audit, all YAML files of one form.

thresholds, cells: free to use, for YAML anchors
statements:
  - id, and quote or sentence; source; title, rule: for tables
    conditions:
      NAME:
        cells: {experiment (or one for each model), models, seq_lens (one for each model),
          needs: {column: value}}
        measure: a function of results/measures.py; its options stand beside it
        at: each (every length), longest, any (there is a length), or a length; all if left out
        accepted: [low, high], fixed before the run; left out where nothing is judged
        shown: more measures to report, each {measure, options}
"""

import inspect
from pathlib import Path

import yaml

from workflow.seqbench.checking import Loader, nearest, repetitions, schema_of, violations
from workflow.seqbench.log import UserError
from workflow.seqbench.results.measures import MEASURES
from workflow.seqbench.sources import ROOT

SCHEMA = ROOT / "workflow/schemas/statements.schema.yaml"
ABOUT = ("cells", "measure", "at", "accepted", "shown")  # keys of a condition; the rest are options


def load(path):
    """The statements of a file, checked; UserError with a sentence for each thing that is wrong."""
    try:
        document = yaml.load(Path(path).read_text(), Loader)
        problems = repetitions(path)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no text, or a date that cannot be
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    problems = problems or violations(document, schema_of(SCHEMA), whole="the file")
    if not problems:
        ids = [statement["id"] for statement in document["statements"]]
        problems = [f"the id {name} stands twice" for name in set(ids) if ids.count(name) > 1]
        problems += [p for s in document["statements"] for p in measure_problems(s)]
    if problems:
        raise UserError("\n".join(f"{path}: {' '.join(p.split())}" for p in problems))
    return document["statements"]


def load_all(*paths):
    """The statements of each file; UserError also where two files share an id."""
    files = [load(path) for path in paths]
    ids = [statement["id"] for file in files for statement in file]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise UserError(f"the id {twice[0]} stands in two of {', '.join(map(str, paths))}")
    return files


def options(specification):
    """The options that a condition, or one of its shown measures, gives its measure."""
    return {key: value for key, value in specification.items() if key not in ABOUT}


def option(path, name):
    """The value that a file's first condition with this option gives it, for a figure to draw."""
    conditions = (c for statement in load(path) for c in statement["conditions"].values())
    return next(condition[name] for condition in conditions if name in condition)


def measure_problems(statement):
    """Measures that do not exist, or options that they do not take or lack."""
    for name, condition in statement["conditions"].items():
        for specification in (condition, *condition.get("shown", [])):
            place, measure = f"{statement['id']}, {name}", specification["measure"]
            if measure not in MEASURES:
                yield f"{place}: measure is {measure!r}{nearest(measure, MEASURES)}"
                continue
            signature = inspect.signature(MEASURES[measure]).parameters
            selections = [key for key in signature if key in ("a", "b")]
            known = [key for key in signature if key not in (*selections, "confidence")]
            for key in options(specification):
                if key not in known:
                    yield f"{place}: {measure} has no option {key}{nearest(key, known)}"
            for key in known:
                if signature[key].default is inspect.Parameter.empty and key not in specification:
                    yield f"{place}: {measure} lacks its option {key}"
            models = condition["cells"]["models"]
            if len(models) != len(selections):
                yield f"{place}: {measure} takes {len(selections)} models"
            if len(condition["cells"].get("seq_lens", models)) != len(models):
                yield f"{place}: seq_lens needs one length for each model"
            if len(experiments_of(condition)) != len(models):
                yield f"{place}: experiment needs one name, or one for each model"


def experiments_of(condition):
    """The experiment of each model of a condition."""
    experiment, models = condition["cells"]["experiment"], condition["cells"]["models"]
    return experiment if isinstance(experiment, list) else [experiment] * len(models)
