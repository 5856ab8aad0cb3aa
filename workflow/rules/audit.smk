"""The audit of the original: from its protocol to the proper one, one change at a time.

in:  tables of timing, timing_audit, recall and recall_audit; workflow/original/*.csv
out: <results>/tables/audit.{csv,parquet,md}
     <results>/figures/audit.{png,svg}
"""


rule audit:
    input:
        expand("<results>/tables/{name}.csv", name=["timing_audit", "recall_audit"]),
