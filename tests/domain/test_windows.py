"""Windows [start, end) and the panes they are made of."""

import pytest

from app.domain.windows import WindowGeometry


#   panes    [ 0  )[ 10 )[ 20 )[ 30 )
#   window   [ 0 .............)
#   window         [ 10 ............)
@pytest.mark.parametrize(("window", "step", "panes"), [(60, 30, 2), (30, 10, 3), (60, 60, 1)])
def test_panes_of_a_window(window: int, step: int, panes: int) -> None:
    assert WindowGeometry(window, step).panes_per_window == panes
