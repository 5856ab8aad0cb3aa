"""A logger for Snakemake: one line with how many cells are done, what runs, and the time left.

On a terminal the line is renewed in place; elsewhere it is printed every half minute. Errors and what
the workflow itself has to say are shown as ever; the rest is in Snakemake's log file. `make run` names
it: PYTHONPATH=workflow/logger snakemake --logger cells.
"""

import logging
import shutil
import sys
import threading
import time

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

CELLS = ("timing_cell", "training_cell", "training_cell_at_rate")
RENEW_S, REPEAT_S = 2, 30  # on a terminal, elsewhere
PRIOR_S = 60  # what earlier costs weigh against the pace of this run


class LogHandler(LogHandlerBase):
    writes_to_stream, has_filter = True, True
    writes_to_file = has_formatter = needs_rulegraph = False

    def __post_init__(self):
        self.stream, self.terminal = sys.stderr, sys.stderr.isatty()
        self.total, self.done, self.running = 0, [], {}
        self.names = {}  # of cells by job: recall lstm_chrono 100 tokens
        self.expected, self.began, self.shown = {}, None, 0.0
        threading.Thread(target=self.tick, daemon=True).start()

    def emit(self, record):
        event = getattr(record, "event", None)
        if hasattr(record, "expected"):  # said by workflow/rules/run.smk
            self.expected = record.expected
        if event == LogEvent.RUN_INFO:
            self.total = sum(n for rule, n in record.stats.items() if rule.endswith(CELLS))
        elif event == LogEvent.JOB_INFO and record.rule_name.endswith(CELLS):
            name = "{experiment} {model} {seq_len} tokens".format(**record.wildcards)
            self.names[record.jobid] = name
        elif event == LogEvent.JOB_STARTED:
            self.began = self.began or time.monotonic()
            self.running |= dict.fromkeys(record.jobs)
        elif event in (LogEvent.JOB_FINISHED, LogEvent.JOB_ERROR):
            job = record.job_id if event == LogEvent.JOB_FINISHED else record.jobid
            self.running.pop(job, None)
            self.done += [job] * (job in self.names)
        if record.levelno >= logging.WARNING or hasattr(record, "expected"):
            self.write(self.format(record) + "\n")
        elif "Nothing to be done" in str(record.msg):
            self.write("Nothing to be done: every result is up to date.\n")
        elif self.terminal and event in (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED):
            self.write(self.line())

    def tick(self):
        """Renew the line as long as something runs."""
        while True:
            time.sleep(RENEW_S)
            if self.running and (self.terminal or time.monotonic() > self.shown + REPEAT_S):
                self.write(self.line() + "\n" * (not self.terminal))
                self.shown = time.monotonic()

    def write(self, text):
        """Text in place of the line that stands there."""
        if self.terminal:
            text = f"\r\x1b[K{text}"
        self.stream.write(text)
        self.stream.flush()

    def line(self):
        """12 of 153 cells done, about 11 min left: timing lstm 1000 tokens"""
        names = [self.names[job] for job in self.running if job in self.names]
        doing = "; ".join(names) or ("tables and figures" if self.running else "")
        left = self.left()
        time_left = "" if left is None else f", about {minutes(left)} left"
        text = f"{len(self.done)} of {self.total} cells done{time_left}: {doing}"
        return text[: shutil.get_terminal_size().columns - 1] if self.terminal else text

    def left(self):
        """Seconds for the cells that are left, by earlier costs and the pace so far; None if unknown."""
        cost = self.expected or dict.fromkeys(self.done, 1.0)
        done = sum(cost.get(job, 0) for job in self.done)
        all_of_it = sum(cost.values()) if self.expected else float(self.total)
        prior = PRIOR_S if self.expected else 0
        if len(self.done) >= self.total or done + prior == 0:
            return None
        elapsed = time.monotonic() - (self.began or time.monotonic())
        return (all_of_it - done) * (elapsed + prior) / (done + prior)


def minutes(seconds):
    """Roughly, as it is a guess: 40 s, 11 min, 1 h 50 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
