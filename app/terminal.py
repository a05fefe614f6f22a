"""Tables of figures on a terminal."""

from rich.table import Table


def figures_table(what: str, *figures: str) -> Table:
    """Returns a table without lines: names on the left, figures aligned right."""
    table = Table(what, box=None)
    for heading in figures:
        table.add_column(heading, justify="right")
    return table
