"""Products: sales per category or per product, from the nightly batch."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import charts, components, formatting, sidebar
from api.dashboard.api_errors import DashboardError
from api.dashboard.page import Page

_BARS: Final = 15
_ROWS: Final = (25, 100, 500, 1000)
_GROUPS: Final = {"category": "Categories", "product": "Products"}
_COMMON: Final = (
    components.Column("category", "Category", formatting.name),
    components.Column("revenue", "Revenue", formatting.money),
    components.Column("transaction_count", "Orders", formatting.number),
    components.Column("avg_transaction_value", "Average order", formatting.money),
)
_OF_PRODUCTS: Final = (
    components.Column("product_id", "Product", formatting.name),
    *_COMMON,
    components.Column("units", "Units", formatting.number),
    components.Column("views", "Views", formatting.number),
    components.Column("cart_adds", "Added to cart", formatting.number),
    components.Column("conversion", "Conversion", formatting.percent),
)


def show(page: Page) -> None:
    """Shows the best sellers of the chosen country."""
    group, category, limit = _choices(page)
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        answer = page.client.get(
            "products/performance", country=page.filters.country, category=category, group_by=group, limit=limit
        )
        about = f"{page.filters.place}, all orders up to the end of {answer['as_of']}"
        st.caption(f"{formatting.sentence(about)}; the days chosen on the left do not apply to products.")
        if answer["products"]:
            _show(answer["products"], group)
        else:
            components.empty("No orders with a product.", "Choose another country or category.")


def _choices(page: Page) -> tuple[str, str | None, int]:
    by, only, most = st.columns([2, 2, 1], vertical_alignment="bottom")
    with by:
        group = components.choice("Show", _GROUPS, "by", default="category", required=True, bind="query-params")
    with only:
        category = _category(page)
    with most:
        limit = st.selectbox("Rows", _ROWS, index=1, key="rows", bind="query-params")
    page.address.judge_choice("by", _GROUPS.values(), _GROUPS[group or "category"])
    page.address.judge_choice("rows", _ROWS, f"{limit} rows")
    return group or "category", category, limit


def _category(page: Page) -> str | None:
    """Returns the selected category, stored or from the URL; the page explains missing categories."""
    try:
        known = page.client.get("dimensions")["categories"]
    except DashboardError:
        known = None
    chosen = st.selectbox(
        "Category",
        sidebar.options(known or (), "category", page.address),
        key="category",
        format_func=lambda name: name or "All categories",
        bind="query-params",
    )
    return sidebar.named(chosen, known, "category", page.address)


def _show(products: Sequence[Mapping[str, Any]], group: str) -> None:
    field = "product_id" if group == "product" else "category"
    top = products[:_BARS]
    hovers = [
        f"{charts.whole_name(p[field])}<br>{formatting.money(p['revenue'])}<br>"
        f"{formatting.number(p['transaction_count'])} orders"
        for p in top
    ]
    components.cards(
        ("Revenue of those shown", formatting.money(sum((p["revenue"] for p in products), Decimal(0)))),
        ("Orders of those shown", formatting.number(sum(p["transaction_count"] for p in products))),
    )
    components.section(f"Top {len(top)} by revenue")
    figure = charts.ranking([p[field] for p in top], [p["revenue"] for p in top], hovers)
    charts.draw(figure, "top", "Best sellers by revenue", charts.ranking_height(len(top)))
    components.section(f"{_GROUPS[group]}: {formatting.number(len(products))} rows")
    columns = _OF_PRODUCTS if group == "product" else _COMMON
    components.table(products, columns, f"{group}-performance.csv", "products")
