"""Promote a run to the reference run of its kind of machine, and bring the README up to date."""

import shutil
from pathlib import Path

import pandas as pd
import yaml

from workflow.seqbench import log, provenance, readme, tables


def main(files, config, reference, readme_path):
    """Replace the folder `reference` by the tables and figures in `files` and the run's config.

    Adds the table `run`: machine, commit and cost. The new folder is complete before the old one is removed. Then every generated block of the
    README is written anew. The tuning, which has a target of its own, is kept unless `files` holds it.
    """
    reference = Path(reference)
    fresh = reference.with_name(f".{reference.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    kept = [*reference.glob("tables/tuning.*"), *reference.glob("figures/tuning.*")]
    for file in [*kept, *map(Path, files)]:
        target = fresh / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    cells = {
        path.stem.removesuffix("_cells"): pd.read_parquet(path)
        for path in sorted((fresh / "tables").glob("*_cells.parquet"))
    }
    tables.write_table(
        provenance.summarize(cells), fresh / "tables/run.csv", fresh / "tables/run.md"
    )
    (fresh / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    shutil.rmtree(reference, ignore_errors=True)
    fresh.rename(reference)
    readme.update(readme_path, reference)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    params = snakemake.params
    main(
        snakemake.input.files,
        params.config,
        Path("results/reference") / params.device,
        "README.md",
    )
