"""The README's generated blocks: every number in it comes from the published run."""

import re
from pathlib import Path

from workflow.seqbench.log import UserError

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text, reference):
    """`text` with each block between `<!-- generated: NAME -->` and `<!-- end -->` written anew.

    A block is `tables/NAME.md` of the published run in the folder `reference`.
    """

    def block(match):
        begin, name, end = match.groups()
        table = Path(reference) / "tables" / f"{name}.md"
        if not table.is_file():
            raise UserError(
                f"README.md has a generated block {name}, and this run has no {table.name}"
            )
        return f"{begin}\n{table.read_text().strip()}\n\n{end}"

    return BLOCK.sub(block, text)
