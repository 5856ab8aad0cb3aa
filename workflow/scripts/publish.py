"""Promote a run to the reference run of its kind of machine, and bring the README up to date."""

import shutil
from pathlib import Path

import yaml

from workflow.seqbench import log, readme


def main(files, config, reference, readme_path):
    """Replace the folder `reference` by the tables and figures in `files` and the run's config.

    The new folder is complete before the old one is removed. Then every generated block of the
    README is written anew.
    """
    reference = Path(reference)
    fresh = reference.with_name(f".{reference.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for file in map(Path, files):
        target = fresh / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
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
