"""GlobalMart's stream worker, kernel, operation and command line. The version of the whole project is stated here."""

from typing import Final

__version__: Final = "1.0.0"
