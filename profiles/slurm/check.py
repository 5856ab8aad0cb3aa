"""Look at this Slurm site before anything is submitted: a sentence for each thing that matters.

    python profiles/slurm/check.py

It first writes profiles/site/config.yaml from what the site says of itself, where there is none.
It ends non-zero where jobs would fail, wait for ever, or never be seen to finish.
"""

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

PROFILES = Path(__file__).parents[1]
SITE = PROFILES / "site/config.yaml"
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
        }
        partitions.setdefault(name.rstrip("*"), []).append(kind | {"limit": limit})
    config = dict(
        map(str.strip, line.split("=", 1))
        for line in ask("scontrol", "show", "config")
        if "=" in line
    )
    accounts = None
    if config["AccountingStorageType"] != "accounting_storage/none":
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
        "min_job_age": int(config["MinJobAge"].split()[0]),
    }


def draft(site):
    """Text of a profile for the site."""
    accounts = site["accounts"]
    return DRAFT.format(
        partition=site["default"],
        account=f"  slurm_account: {accounts[0]}\n" if accounts else "",
        status="squeue\nslurm-no-account: true" if accounts is None else "sacct",
    )


def check(profile, site):
    """(whether it is as it should be, a sentence) for each thing that the profile must say rightly."""
    resources = profile.get("default-resources") or {}
    per_rule = (profile.get("set-resources") or {}).values()
    experiments = yaml.safe_load((PROFILES.parent / "config.yaml").read_text())["experiments"]
    threads = max(part.get("threads", 1) for part in experiments.values())
    asked = [resources.get("slurm_partition", site["default"])]
    asked += [rule["slurm_partition"] for rule in per_rule if "slurm_partition" in rule]
    for name in dict.fromkeys(asked):
        kinds = site["partitions"].get(name)
        if kinds is None:
            yield (
                False,
                f"partition {name} does not exist; there are {', '.join(site['partitions'])}",
            )
            continue
        nodes = "; ".join(
            "{nodes} nodes of {cores} cores and {memory} MB ({features})".format(**kind)
            for kind in kinds
        )
        yield True, f"partition {name}: {nodes}; jobs of {kinds[0]['limit']} at most"
        if threads > (least := min(kind["cores"] for kind in kinds)):
            yield (
                False,
                f"config.yaml asks for {threads} threads; nodes of {name} have {least} cores",
            )
        if len(kinds) > 1 and "constraint" not in resources:
            yield (
                True,
                (
                    f"nodes of {name} differ, and times from different ones are not put into one table:"
                    " set default-resources: constraint to a feature of those that are to measure"
                ),
            )
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
    patience = 3 * profile.get("slurm-init-seconds-before-status-checks", 40)
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
    site = look()
    if not SITE.exists():
        SITE.parent.mkdir(exist_ok=True)
        SITE.write_text(draft(site))
        print("Wrote profiles/site/config.yaml: look it over, it is yours.")
    layers = [yaml.safe_load(path.read_text()) for path in (PROFILES / "slurm/config.yaml", SITE)]
    profile = layers[0] | (layers[1] or {})
    sentences = [*check(profile, site), would_run(profile)]
    for fine, sentence in sentences:
        print("ok   " if fine else "WRONG", sentence)
    return 0 if all(fine for fine, _ in sentences) else 1


if __name__ == "__main__":
    sys.exit(main())
