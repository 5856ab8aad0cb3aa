"""Experiment 1, speed: the forward pass of one model at one sequence length."""
