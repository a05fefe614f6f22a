"""How the demo reads pages where there is no browser."""

from api.dashboard import formatting
from app.reconcile.comparison import Comparison
from compose.demo.page_readers import ScriptReader, read_pages
from compose.demo.page_texts import PageTexts
from tests.api.dashboard.running import Dashboard


def test_cards_are_read_and_a_wrong_one_is_found(dashboard: Dashboard) -> None:
    sales = dashboard.answer("sales/metrics")
    right = PageTexts(
        "overview",
        {},
        {"Revenue": formatting.money(sales["total_revenue"]), "Orders": formatting.number(sales["total_transactions"])},
        "sales",
    )
    found = read_pages(ScriptReader(), [right])
    expected = right.expected({"sales everywhere: total_revenue": 1}, with_file=False)
    assert Comparison("dashboard", expected, found).differences == []
    wrong = expected | {"overview: Orders": "1", "overview: Profit": "$1.00"}
    assert Comparison("dashboard", wrong, found).differences == [
        f"overview: Orders: stored 1, shown {right.cards['Orders']}",
        "overview: Profit: stored $1.00, shown nothing",
    ]
