"""Promote a run to the reference run of its kind of machine, and bring the README up to date."""

import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import yaml

from workflow.seqbench import log
from workflow.seqbench.results import selecting
from workflow.seqbench.showing import provenance, readme, tables
from workflow.seqbench.showing.files import whole
from workflow.seqbench.showing.page import render

FOLDERS = ("tables", "figures")
FORMATS = ("csv", "parquet", "md")


def main(files, run, sweeps, config, reference, page, results, shards, experiments):
    """Replace the folder `reference` by the tables and figures in `files` and the run's config.

    Adds the tables `run` (machine and commit), `times` and `published` (minutes; those of other runs
    that `reference` has as measured are kept). What the folder `run` has of the experiments `sweeps`
    comes along; where it has nothing of them, that of `reference` is kept. The report is made of all
    that; `shards` and `experiments` are for it (report_page.py). `page` is the README whose
    generated blocks are written anew, `results` the page of all tables and figures; None where
    another device has them. Nothing is replaced before everything is there, and one that is killed is
    mended by the next.
    """
    if config.get("incomplete"):
        raise log.UserError("incomplete is true: a run is published when all its cells are done")
    reference = Path(reference)
    fresh, old = (reference.with_name(f".{reference.name}.{age}") for age in ("new", "old"))
    if old.exists() and not reference.exists():  # killed between the two renames below
        old.rename(reference)
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    made = [Path(path) for path in files if Path(path).parent.name in FOLDERS]
    for file in [*(files_of(sweeps, run) or files_of(sweeps, reference)), *made]:
        if not file.match("tables/*.html"):
            target = fresh / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    cells = {
        path.stem.removesuffix("_cells"): selecting.read_table(path, every_machine=True)
        for path in sorted(fresh.glob("tables/*_cells.parquet"))
    }
    everything = pd.concat(cells[name] for name in cells if name not in sweeps)
    minutes = provenance.minutes_of(everything, Path(run, "manifest.json"))
    made_on = provenance.summarize(cells)
    tables.write(made_on, *(fresh / f"tables/run.{suffix}" for suffix in FORMATS))
    measured = provenance.measured(reference, made_on)
    times, sentence = provenance.times(everything, minutes, measured)
    tables.write(times, *(fresh / f"tables/times.{suffix}" for suffix in FORMATS))
    tables.write(sentence, fresh / "tables/published.md")
    (fresh / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (fresh / "report").mkdir()
    report = render(fresh.glob("tables/*.parquet"), shards, experiments)
    (fresh / "report/index.html").write_text(report, encoding="utf-8")
    pages = {}
    if page:
        readme_text = readme.render(Path(page).read_text(), fresh)
        pages = {page: readme_text, results: readme.results(fresh, reference)}

    if reference.exists():
        reference.rename(old)
    fresh.rename(reference)
    shutil.rmtree(old, ignore_errors=True)
    for path, text in pages.items():
        with whole(path) as written:
            written.write_text(text)


def files_of(experiments, folder):
    """The tables and figures that a run's folder has of these experiments."""
    found = {path for name in experiments for path in Path(folder).glob(f"*/{name}[._]*")}
    return [path for path in sorted(found) if path.parent.name in FOLDERS]


if __name__ == "__main__":
    log.run(partial(main, [*snakemake.input]), snakemake)
