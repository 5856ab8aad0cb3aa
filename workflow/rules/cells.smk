"""The cells of every experiment: one job, one process and one shard per (model, seq_len, seed).

Only these are submitted to a cluster: every other rule takes seconds and is a localrule.

in:  the experiment in the config and the models that it names
out: <results>/EXPERIMENT/model~M/seq_len~N/seed~S.parquet
     <results>/EXPERIMENT/lr~L/model~M/seq_len~N/seed~S.parquet   where learning_rates are an axis
"""


rule timing_cell:
    """Time {wildcards.model} at {wildcards.seq_len} tokens, in a fresh process that has the machine for itself."""
    input:
        foreign_shard,
    output:
        shard="<results>/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment=either(plan.names("timing")),
    params:
        options=asks(plan.model),
        reference=asks(plan.reference),
        settings=asks(plan.settings),
        code=asks(plan.code),
    log:
        "<results>/logs/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: described(lambda wildcards: plan.priority(**dict(wildcards.items())))
    # It has the machine for itself: all cores here, a node that is not shared on a cluster. Slurm
    # reads slurm_extra, a profile for another scheduler whole_node.
    threads: all_cores if HERE else asks(plan.threads)
    resources:
        mem_mb=needs("mem_mb"),
        runtime=None if HERE else needs("runtime"),
        gpu=asks(plan.gpu),
        attempts_left=0 if HERE else attempts_left,
        cells=1,
        whole_node=1,
        slurm_extra="--exclusive",
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/timing_cell.py"


rule training_cell:
    """Train {wildcards.model} on {wildcards.seq_len} tokens from one seed; such jobs fill the machine side by side."""
    input:
        foreign_shard,
    output:
        shard="<results>/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment=either(plan.names("training", swept=False)),
    params:
        options=asks(plan.model),
        settings=asks(plan.settings),
        code=asks(plan.code),
    log:
        "<results>/logs/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: described(lambda wildcards: plan.priority(**dict(wildcards.items())))
    threads: asks(plan.threads)
    resources:
        mem_mb=needs("mem_mb"),
        runtime=None if HERE else needs("runtime"),
        gpu=asks(plan.gpu),
        attempts_left=0 if HERE else attempts_left,
        cells=1,
        whole_node=0,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/training_cell.py"


use rule training_cell as training_cell_at_rate with:
    output:
        shard="<results>/{experiment}/lr~{lr}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment=either(plan.names("training", swept=True)),
    log:
        "<results>/logs/{experiment}/lr~{lr}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
