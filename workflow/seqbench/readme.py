"""The README's generated blocks: every number in it comes from the published run."""

import re
from pathlib import Path

from workflow.seqbench.log import UserError

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def update(path, reference):
    """Rewrite the blocks between `<!-- generated: NAME -->` and `<!-- end -->` in place."""
    text = Path(path).read_text()
    fresh = render(text, reference)
    temporary = Path(path).with_suffix(".new")
    temporary.write_text(fresh)
    temporary.replace(path)


def render(text, reference):
    """`text` with each generated block replaced by `tables/NAME.md` of the published run."""

    def block(match):
        begin, name, end = match.groups()
        table = Path(reference) / "tables" / f"{name}.md"
        if not table.is_file():
            raise UserError(f"README.md has a generated block {name}, and there is no {table}")
        return f"{begin}\n{table.read_text().strip()}\n\n{end}"

    return BLOCK.sub(block, text)
