"""Geometry of windows and panes.

Windows are `[start, end)` and aligned to the epoch. A pane is one step long; a window consists of
`window / step` panes, so one write to a pane serves every window that contains it.
Both lengths are settings; a database has one geometry, which app/postgres/window_geometry.py rebuilds for others.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowGeometry:
    """Length of the windows and distance between their starts, in seconds; length is a multiple of step."""

    window_seconds: int
    step_seconds: int

    @property
    def panes_per_window(self) -> int:
        """Number of panes in a window."""
        return self.window_seconds // self.step_seconds
