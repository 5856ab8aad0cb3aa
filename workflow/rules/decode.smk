"""decode"""


rule decode:
    input:
        multiext("<results>/tables/decode", ".csv", ".parquet", ".md"),
        "<results>/tables/decode_cells.parquet",
