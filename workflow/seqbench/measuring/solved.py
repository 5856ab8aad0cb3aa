"""When a training counts as solved."""


class Watch:
    """Follows the evaluations of a training and says whether, and since when, it is solved.

    Solved: two evaluations in a row reach `threshold`, and so does a larger one at the end, the
    confirmation. One evaluation of 256 sequences at 0.99 lets a model of true accuracy 0.98 pass
    12 times in 100, and a long training looks often. A training whose confirmation fails is not
    solved and goes on as if it had not passed: it needs two in a row again, and another confirmation.

    step, seconds: steps and seconds of training at the first of the two; None where there are none
    loose_step: steps at the first evaluation that passed, alone or not
    accuracy: that of the latest confirmation; None before one
    solved: a confirmation has passed
    """

    def __init__(self, threshold):
        self.threshold = threshold
        self.step = self.seconds = self.loose_step = self.accuracy = None
        self.solved = False
        self.passed = None  # (steps, seconds) of the evaluation before, if it passed

    def see(self, step, seconds, accuracy):
        """Take note of an evaluation after so many steps and seconds of training."""
        before, self.passed = self.passed, None
        if accuracy < self.threshold:
            return
        self.passed = step, seconds
        if self.loose_step is None:
            self.loose_step = step
        if self.step is None and before is not None:
            self.step, self.seconds = before

    def confirm(self, accuracy):
        """Take note of the confirmation."""
        self.accuracy = accuracy
        self.solved = accuracy >= self.threshold
        if not self.solved:
            self.step = self.seconds = self.passed = None

    def columns(self):
        """Columns of the shard."""
        return {
            "solved_step": self.step if self.solved else None,
            "solved_s": self.seconds if self.solved else None,
            "solved_step_loose": self.loose_step,
            "confirmed_accuracy": self.accuracy,
        }
