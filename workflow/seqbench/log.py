"""What scripts share: where a job's output goes, how its work is called, how an error is told."""

import argparse
import inspect
import os
import re
import shlex
import sys


class UserError(Exception):
    """Something the user can mend: its message is one sentence, shown without a traceback."""


def remember_call(snakefile, configfiles, config):
    """Tell the jobs of this run how it was called, as far as its results depend on it.

    It is called again from the folder of the results; where that is not the project's, the workflow is
    named.
    """
    named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    named.add_argument("--profile")
    named.add_argument("--workflow-profile")
    options = [] if snakefile == "Snakefile" else ["--snakefile", snakefile]
    start = os.environ.get("SEQBENCH_START")  # profiles/slurm/run, which names its profiles
    if not start:
        start = "snakemake --cores 4"
        for name, value in vars(named.parse_known_args()[0]).items():
            options += [f"--{name.replace('_', '-')}", value] if value else []
    options += ["--configfile", *configfiles] if configfiles else []
    options += ["--config", *config] if config else []
    os.environ["SEQBENCH"] = f"{start} {quoted(options)}".rstrip()


def command():
    """How this run was called, as far as its results depend on it."""
    return os.environ.get("SEQBENCH", "snakemake --cores 4")


def again(*paths):
    """The command that makes these files anew, with the config of this run."""
    return f"{command()} --force {quoted(map(str, paths))}"


def quoted(words):
    """Words as a shell reads them; unlike `shlex.join` it leaves a ~ inside of one as it is."""
    plain = re.compile(r"(?!~)[\w@%+=:,./~-]+", re.ASCII)
    return " ".join(word if plain.fullmatch(word) else shlex.quote(word) for word in words)


def redirect(path):
    """Send what this process prints, also from C code, to the file `path`."""
    with open(path, "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    sys.excepthook = report


def report(kind, error, traceback):
    """Print the sentence of a UserError; anything else with its traceback."""
    if issubclass(kind, UserError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


def run(main, job):
    """Call a script's `main` with the job's named wildcards, inputs, outputs and parameters it takes.

    job: the `snakemake` object of a script.
    """
    redirect(job.log[0])
    main(**arguments(main, job))


def arguments(main, job):
    """What `main` takes of the job's named wildcards, inputs, outputs, parameters and resources."""
    named = {}
    for part in (job.wildcards, job.input, job.output, job.params, job.resources):
        named |= dict(part.items())
    return {name: named[name] for name in inspect.signature(main).parameters if name in named}
