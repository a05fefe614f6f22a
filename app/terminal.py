"""Tables of figures on a terminal."""

from rich.table import Table


def figures_table(what: str, *figures: str) -> Table:
    """A table without lines: what each row is about on the left, its figures to the right."""
    table = Table(what, box=None)
    for heading in figures:
        table.add_column(heading, justify="right")
    return table
