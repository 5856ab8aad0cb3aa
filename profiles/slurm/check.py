"""Look at this Slurm site before anything is submitted: a sentence for each thing that matters.

    python profiles/slurm/check.py [--configfile FILE ...]

It first writes profiles/site/config.yaml from what the site says of itself, where there is none.
It ends non-zero where jobs would fail, wait for ever, or never be seen to finish.
"""

import argparse
import getpass
import math
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from snakemake.utils import update_config

PROFILES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROFILES.parent))
from workflow.seqbench import config  # noqa: E402
from workflow.seqbench.log import UserError  # noqa: E402

SITE = PROFILES / "site/config.yaml"
# The rules that are submitted, and their experiments, as names() of a plan gives them.
RULES = {
    "timing_cell": {"kind": "timing"},
    "training_cell": {"kind": "training", "swept": False},
    "training_cell_at_rate": {"kind": "training", "swept": True},
}
# What a job asks for, where a partition says how much of it there is, and its unit.
LIMITS = [
    ("threads", "cores", "cores"),
    ("mem_mb", "memory", "MB"),
    ("runtime", "minutes", "minutes (all cells that share a job: group-components)"),
]
LONGEST_PAUSE = 180  # seconds at most between two looks of Snakemake's plugin at the queue
DRAFT = """\
# Your own, not tracked by git: it overrides profiles/slurm/config.yaml key by key.
# profiles/slurm/check.py wrote it from what the site says of itself, and checks it.
default-resources:
  slurm_partition: {partition}
{account}  # constraint: zen3         # one kind of CPU, where nodes of the partition differ (sinfo -o %f)
slurm-status-command: {status}
# set-resources:             # by rule: timing_cell, training_cell, training_cell_at_rate
#   timing_cell: {{slurm_partition: gpu, gpu_model: h100}}     # where the config says device: cuda
"""


def ask(*command):
    """Lines that a command prints; none where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    return [] if done.returncode else done.stdout.splitlines()


def look():
    """What the site says: its partitions, this user's accounts, and how long jobs are remembered.

    accounts: the default one first; None where the site keeps no accounts.
    """
    partitions, default = {}, None
    for line in ask("sinfo", "--noheader", "--exact", "--format=%P|%c|%m|%l|%f|%D"):
        name, cores, memory, limit, features, nodes = line.split("|")
        default = name.rstrip("*") if name.endswith("*") else default
        kind = {
            "cores": int(cores),
            "memory": int(memory),
            "features": features.replace("(null)", "no features"),
            "nodes": nodes,
            "limit": limit,
            "minutes": minutes(limit),
        }
        partitions.setdefault(name.rstrip("*"), []).append(kind)
    settings = dict(
        map(str.strip, line.split("=", 1))
        for line in ask("scontrol", "show", "config")
        if "=" in line
    )
    accounts = None
    if "slurmdbd" in settings["AccountingStorageType"]:
        user = f"user={getpass.getuser()}"
        listed = ("sacctmgr", "--noheader", "--parsable2", "show")
        accounts = [
            *ask(*listed, "user", user, "format=DefaultAccount"),
            *ask(*listed, "associations", user, "format=Account"),
        ]
    return {
        "partitions": partitions,
        "default": default or next(iter(partitions), None),
        "accounts": accounts and list(dict.fromkeys(accounts)),
        "min_job_age": int(settings["MinJobAge"].split()[0]),
    }


def minutes(limit):
    """Minutes of a time as Slurm writes it: [days-][[hours:]minutes:]seconds, or infinite."""
    days, _, clock = limit.rpartition("-")
    if not clock[0].isdigit():
        return math.inf
    seconds = sum(int(part) * 60**power for power, part in enumerate(clock.split(":")[::-1]))
    return 1440 * int(days or 0) + seconds / 60


def plan_of(configfiles):
    """The plan of config.yaml with the user's files over it, as Snakemake merges them."""
    merged = {}
    for path in (PROFILES.parent / "config.yaml", *configfiles):
        update_config(merged, yaml.safe_load(Path(path).read_text()) or {})
    return config.check(merged, local=False)


def requests(plan, profile):
    """What each job of a run asks for at its first attempt.

    Cells share one by the profile's groups; it asks for the time of all and the memory of the largest.
    """
    for rule, experiments in RULES.items():
        group, attempts = (profile.get("groups") or {}).get(rule), 1 + profile.get("retries", 0)
        size = (profile.get("group-components") or {}).get(group, 1)
        fixed = (profile.get("set-resources") or {}).get(rule) or {}
        fixed = {key: value for key, value in fixed.items() if isinstance(value, int)}
        for name in plan.names(**experiments, on_demand=False):
            shared = {}
            for cell in plan.cells(name):
                key = group.format(experiment=name, **cell) if group else str(cell)
                needs = {
                    what: plan.needs(what, 1, attempts, name, **cell)
                    for what in ("mem_mb", "runtime")
                }
                shared.setdefault(key, []).append(needs | fixed)
            for cells in shared.values():
                for first in range(0, len(cells), size):
                    job = cells[first : first + size]
                    yield {
                        "rule": rule,
                        "experiment": name,
                        "threads": plan.threads(name),
                        "mem_mb": max(cell["mem_mb"] for cell in job),
                        "runtime": sum(cell["runtime"] for cell in job),
                    }


def draft(site):
    """Text of a profile for the site."""
    accounts = site["accounts"]
    return DRAFT.format(
        partition=site["default"],
        account=f"  slurm_account: {accounts[0]}\n" if accounts else "",
        status="squeue\nslurm-no-account: true" if accounts is None else "sacct",
    )


def check_partitions(names, rules, profile, site, plan):
    """(whether it is as it should be, a sentence) for partitions that the jobs of some rules go to.

    names: with commas, as sbatch takes them, it is whichever is free first.
    """
    resources, known = profile.get("default-resources") or {}, []
    for name in names.split(","):
        kinds = site["partitions"].get(name)
        if kinds is None:
            yield (
                False,
                f"partition {name} does not exist; there are {', '.join(site['partitions'])}",
            )
            continue
        known += kinds
        nodes = "; ".join(
            "{nodes} nodes of {cores} cores and {memory} MB ({features})".format(**kind)
            for kind in kinds
        )
        yield True, f"partition {name}: {nodes}; jobs of {kinds[0]['limit']} at most"
        if len(kinds) > 1 and "constraint" not in resources:
            yield (
                True,
                (
                    f"nodes of {name} differ, and ratios, figures and verdicts take times of one kind alone:"
                    " set default-resources: constraint to a feature of those that are to measure"
                ),
            )
    jobs = [job for job in requests(plan, profile) if job["rule"] in rules]
    for what, key, unit in LIMITS if known and jobs else ():
        largest, most = max(jobs, key=lambda job: job[what]), max(kind[key] for kind in known)
        if largest[what] > most:
            yield (
                False,
                f"{largest['experiment']} asks for {largest[what]} {unit}; {names} has {most:.0f}",
            )
    for name in (n for rule in rules for n in plan.names(**RULES[rule], on_demand=True)):
        if known and plan.threads(name) > max(kind["cores"] for kind in known):
            yield True, f"{name}, made on demand only, needs nodes of {plan.threads(name)} cores"


def check(profile, site, plan):
    """(whether it is as it should be, a sentence) for each thing that the profile must say rightly."""
    resources, per_rule = (profile.get(f"{of}-resources") or {} for of in ("default", "set"))
    default, rules_of = resources.get("slurm_partition", site["default"]), {}
    for rule in RULES:
        names = (per_rule.get(rule) or {}).get("slurm_partition", default)
        rules_of.setdefault(str(names), []).append(rule)
    for names, rules in rules_of.items():
        yield from check_partitions(names, rules, profile, site, plan)
    account, accounts = resources.get("slurm_account"), site["accounts"]
    if accounts is None:
        yield True, "this site keeps no accounts, so none is needed"
    elif account is None:
        yield (
            True,
            f"no account is set, so Slurm takes your default; you have {', '.join(accounts)}",
        )
    else:
        yield account in accounts, f"account {account}; you have {', '.join(accounts)}"
    status, age = profile.get("slurm-status-command"), site["min_job_age"]
    patience = LONGEST_PAUSE + profile.get("slurm-init-seconds-before-status-checks", 40)
    if status == "sacct" and accounts is None:
        yield (
            False,
            (
                "slurm-status-command: sacct needs accounting, which this site does not keep;"
                " finished jobs would never be noticed: set squeue"
            ),
        )
    elif status == "squeue" and age < patience:
        yield (
            accounts is not None,
            (
                f"squeue forgets finished jobs after {age} s, which is too soon;"
                f" {'sacct is asked instead' if accounts else 'ask for a MinJobAge of 300'}"
            ),
        )
    else:
        yield True, f"{status} says how jobs end"


def would_run(profile):
    """(whether, a sentence) Slurm takes a job that has a node of its own."""
    resources = profile.get("default-resources") or {}
    command = ["sbatch", "--test-only", "--exclusive", "--mem=1000", "--time=5", "--wrap=true"]
    for key in ("slurm_partition", "slurm_account", "constraint"):
        if key in resources:
            command.append(f"--{key.removeprefix('slurm_')}={resources[key]}")
    done = subprocess.run(command, capture_output=True, text=True)
    said = " ".join((done.stderr or done.stdout).split())
    return done.returncode == 0, f"a job with a node of its own: {said}"


def main():
    """Print the sentences; 1 where something is wrong."""
    if missing := [name for name in ("sinfo", "scontrol", "sbatch") if not shutil.which(name)]:
        print(f"No {missing[0]} here: this must run where jobs are submitted, on a login node.")
        return 1
    if (ping := subprocess.run(["scontrol", "ping"], capture_output=True, text=True)).returncode:
        print(f"Slurm does not answer: {' '.join((ping.stdout + ping.stderr).split())}")
        return 1
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    plan = plan_of(parser.parse_known_args()[0].configfile)
    site = look()
    if not SITE.exists():
        SITE.parent.mkdir(exist_ok=True)
        SITE.write_text(draft(site))
        print("Wrote profiles/site/config.yaml: look it over, it is yours.")
    layers = [yaml.safe_load(path.read_text()) for path in (PROFILES / "slurm/config.yaml", SITE)]
    profile = layers[0] | (layers[1] or {})
    sentences = [*check(profile, site, plan), would_run(profile)]
    for fine, sentence in sentences:
        print("ok   " if fine else "WRONG", sentence)
    return 0 if all(fine for fine, _ in sentences) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, OSError, yaml.YAMLError) as error:
        print(error)
        sys.exit(1)
