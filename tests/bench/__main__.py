"""`make bench`: what the machinery costs and how well it measures, side by side in one run.

About half an hour, on a machine with nothing else to do: python -m tests.bench [PART ...]
"""

import importlib
import sys
import time

PARTS = ("pairs", "forks", "placement", "goal", "training", "scale")

for name in sys.argv[1:] or PARTS:
    start = time.monotonic()
    part = importlib.import_module(f"tests.bench.{name}")
    print(f"## {name}\n\n{part.__doc__}", flush=True)
    part.main()
    print(f"({time.monotonic() - start:.0f} s)\n", flush=True)
