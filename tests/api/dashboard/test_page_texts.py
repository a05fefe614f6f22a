"""What each page is expected to show, made of stored figures."""

from datetime import date
from decimal import Decimal

from app.reconcile.serving.answer_shapes import shaped
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.warehouse.trend_periods import trend
from tests.api.dashboard.page_texts import PageTexts, pages, written
from tests.reconcile.test_comparison import STORED_SEGMENTS, marts_of_two_customers


def test_a_page_is_expected_with_its_cards_and_its_file() -> None:
    page = PageTexts("customers", {"customer": "a"}, {"Customers": "2"}, "segments")
    assert PageTexts("customers", {"customer": "a"}, {"Customers": "2"}).expected(STORED_SEGMENTS) == {
        "customers a: Customers": "2"
    }
    both = page.expected(STORED_SEGMENTS)
    assert both["customers a file, segments Lost: total_value"] == "10.5"
    assert len(both) == 5


def test_every_page_has_its_cards() -> None:
    found = published_answers(marts_of_two_customers, {"user_id": "a", "recency": 1, "frequency": 1234})
    totals = {"total_revenue": Decimal("1234.5"), "total_transactions": 1, "avg_order_value": 1}
    figures = {**found, **shaped("sales", [{"country": "everywhere", **totals}])}
    days = {date(2025, 12, 1): (Decimal(2), 1), date(2025, 12, 2): (Decimal(3), 1)}
    for kind in ("daily", "weekly", "monthly"):
        figures |= shaped(f"trends {kind}", trend(kind, days, date(2025, 12, 2)))
    shown = {page.name: page.cards for page in pages(figures, "a", {"high_value": 3})}
    assert shown["overview"]["Revenue"] == "$1,234.50"
    assert shown["overview"]["Abandoned carts"] == "100.0 %"
    assert shown["customers a"]["Last bought"] == "1 day before"
    assert shown["customers a"]["Orders"] == "1,234"
    assert shown["products Products 1000"]["Revenue of those shown"] == "$7.01"
    assert shown["trends Days"]["Growth against the day before"] == "+50.0 %"
    assert shown["trends Months"] == {}
    assert shown["anomalies"] == {"High value": "3"}


def test_numbers_of_a_file_have_no_zeros_at_the_end() -> None:
    assert [written(each) for each in (Decimal("10.50"), 100, None, True, "p1")] == ["10.5", "100", "", "True", "p1"]
