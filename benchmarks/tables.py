"""Tables of figures, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator


def print_table(header: list[str], rows: Iterator[list[str]]) -> None:
    """Print a Markdown table, each row as soon as it is measured."""
    widths = [max(len(title), 8) for title in header]
    print_row(header, widths)
    print(f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    for row in rows:
        print_row(row, widths)
    print()


def print_row(cells: list[str], widths: list[int]) -> None:
    """Print one row of a table."""
    padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)
