"""Statements held against a run: findings, verdicts, and one run against another."""
