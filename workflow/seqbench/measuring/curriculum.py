"""The batches that a cell trains on: all of its length, or growing to it."""

import math

from workflow.seqbench.measuring.evaluate import evaluate
from workflow.seqbench.measuring.seeds import generator

GROWTH = 1.5  # of the length, each time that it is solved


class Curriculum:
    """Batches of `length` tokens, from a stream that all models share.

    Without curriculum_from the length is seq_len all along. With it, training begins with so many
    tokens, and the length grows by half when an evaluation at that length passes. Each length has
    streams of its own, so that models share the data of a length whenever they reach it.
    """

    def __init__(self, task, seq_len, settings, stream):
        self.task, self.seq_len, self.settings, self.stream = task, seq_len, settings, stream
        self.set_length(settings["curriculum_from"] or seq_len)

    def set_length(self, length):
        self.length = min(length, self.seq_len)
        stage = () if self.length == self.seq_len else (self.length,)
        self.data = generator(*self.stream, "train", *stage)
        self.fresh = generator(*self.stream, "stage", *stage)

    def batch(self):
        """Tokens (batch_size, length) and targets (batch_size,)."""
        settings = self.settings
        return self.task.sample(
            self.data, settings["batch_size"], self.length, settings["vocabulary"]
        )

    def review(self, net):
        """Evaluate at the present length where it is not the last, and grow if that passes."""
        if self.length < self.seq_len:
            size, goal = self.settings["evaluation_size"], self.settings["solved_accuracy"]
            where = (self.task, self.fresh, size, self.length, self.settings)
            if evaluate(net, *where, passing=goal)[1] >= goal:
                self.set_length(math.ceil(GROWTH * self.length))
