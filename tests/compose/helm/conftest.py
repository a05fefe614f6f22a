"""The chart rendered once with the defaults and once with everything on."""

import pytest

from tests.compose.helm.chart import FULL, Rendered, render


@pytest.fixture(scope="session")
def usual() -> Rendered:
    """With the default values."""
    return render()


@pytest.fixture(scope="session")
def full() -> Rendered:
    """With everything on and other values than the defaults."""
    return render("--values", str(FULL), release="shop")


@pytest.fixture(params=["usual", "full"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """Each of the two."""
    chart: Rendered = request.getfixturevalue(request.param)
    return chart
