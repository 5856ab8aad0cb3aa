"""The benchmark's library: models, measuring, training, judging. It knows nothing of Snakemake."""
