"""Windows and panes as integer arithmetic on epoch seconds.

Windows are `[start, end)` and aligned to the epoch. A pane is a step-long slice; a window is made of
`window / step` panes, so one write to a pane serves every window that contains it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowGeometry:
    """Length of the windows and distance between their starts, in seconds; length is a multiple of step."""

    window_seconds: int
    step_seconds: int

    @property
    def panes_per_window(self) -> int:
        """How many panes make a window."""
        return self.window_seconds // self.step_seconds

    def pane_start(self, epoch_seconds: int) -> int:
        """Start of the pane that holds the second; floors before the epoch, too."""
        return epoch_seconds - epoch_seconds % self.step_seconds

    def window_starts(self, epoch_seconds: int) -> list[int]:
        """Starts of all windows that hold the second, latest first."""
        latest = self.pane_start(epoch_seconds)
        return [latest - pane * self.step_seconds for pane in range(self.panes_per_window)]
