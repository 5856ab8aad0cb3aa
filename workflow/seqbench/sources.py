"""Which project files a module's results depend on, read off its imports.

Snakemake does not see what a script imports. Rules therefore list these files as inputs, and the
many cells take a digest of them as a parameter, so that editing a model reruns the cells of that
model and nothing else.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def find(module: str) -> str | None:
    """File of a project module, relative to the repository, or None if it lives elsewhere."""
    stem = Path(*module.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate.as_posix()
    return None


@cache
def sources(module: str) -> tuple[str, ...]:
    """Files of `module` and of every project module it imports, directly or not, sorted."""
    files, queue = {}, [module]
    while queue:
        name = queue.pop()
        if name in files or (path := find(name)) is None:
            continue
        files[name] = path
        parts = name.split(".")
        queue += [".".join(parts[:depth]) for depth in range(1, len(parts))]
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Import):
                queue += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                queue.append(node.module)
                queue += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(sorted(files.values()))


@cache
def digest(*modules: str) -> str:
    """First 16 hexadecimal digits of the sha256 over the sources of `modules`, names included."""
    total = hashlib.sha256()
    for path in sorted({path for module in modules for path in sources(module)}):
        total.update(path.encode() + b"\0" + (ROOT / path).read_bytes() + b"\0")
    return total.hexdigest()[:16]
