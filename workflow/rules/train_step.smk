"""train_step"""


rule train_step:
    input:
        multiext("<results>/tables/train_step", ".csv", ".parquet", ".md"),
        "<results>/tables/train_step_cells.parquet",
