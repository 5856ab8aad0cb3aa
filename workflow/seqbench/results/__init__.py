"""Experiment 2, memory: train a model to recall the first token of a sequence."""
