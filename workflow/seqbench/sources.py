"""Which project files a module's results depend on, read off its imports, and a digest of them.

Snakemake does not see what a script imports. Each rule therefore takes a digest of the code that its
numbers depend on as a parameter, so that editing a model reruns the cells of that model and nothing
else. Comments, docstrings and layout are no part of a digest.
"""

import ast
import hashlib
import importlib
import traceback
from functools import cache
from pathlib import Path

from workflow.seqbench.log import UserError

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
def imports(path: str, package: str) -> set[str]:
    """Names of the modules that a file of `package` may import, relative imports resolved."""
    names = set()
    for node in statements(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def statements(tree: ast.AST):
    """Every statement of a syntax tree; expressions, most of it, are not walked."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield node
            yield from statements(node)


@cache
def parsed(path: str) -> ast.Module:
    """Syntax tree of a project file; UserError where it is no Python."""
    try:
        return ast.parse((ROOT / path).read_text())
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}, is no Python: {error.msg}") from error
    except ValueError as error:  # no text, or a null character
        raise UserError(f"{path} is no Python: {error}") from error


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
        package = name if path.endswith("__init__.py") else ".".join(parts[:-1])
        queue += imports(path, package)
    return tuple(sorted(files.values()))


@cache
def substance(path: str) -> str:
    """Code of a project file without comments, docstrings and layout."""
    return substance_of(parsed(path))


def substance_of(tree: ast.Module) -> str:
    """Code without comments, docstrings and layout; the tree is left without its docstrings."""
    for node in (tree, *statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            node.body = node.body or [ast.Pass()]
    return ast.unparse(tree)


@cache
def digest(*modules: str, layout: str = "") -> str:
    """First 16 hexadecimal digits of the sha256 over the code that `modules` depend on.

    layout: what else their results depend on, as text, such as the columns of a shard.
    """
    total = hashlib.sha256(layout.encode())
    for path in sorted({path for module in modules for path in sources(module)}):
        total.update(f"{path}\0{substance(path)}\0".encode())
    return total.hexdigest()[:16]


def load(asked, *modules, layout=""):
    """Import the modules; UserError unless what was loaded is the code of the digest `asked`.

    An edit while a run goes on, taken back or not, would else pass for what the run asked for.
    """
    files = {ROOT / path for module in modules for path in sources(module)}
    texts = {path: path.read_bytes() for path in files}
    if same := digest(*modules, layout=layout) == asked:
        for module in modules:
            import_or_say_where(module)
    if not same or texts != {path: path.read_bytes() for path in files}:
        raise UserError("the code was edited since this run began; run the same command again")


def import_or_say_where(module):
    """Import a module; UserError with file and line where that fails."""
    try:
        importlib.import_module(module)
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}"
        raise UserError(f"{place}, is no Python: {error.msg}") from error
    except Exception as error:
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_file()
        ]
        written = [f for f in frames[1:] if "site-packages" not in f.filename]  # [0] is this one
        places = [f"{f.filename}, line {f.lineno}: " for f in written or frames]
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{module} cannot be imported: {places[-1]}{what}") from error
