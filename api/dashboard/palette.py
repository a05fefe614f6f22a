"""The colours of both themes: a dark page is no inverted light one, its strong shades are the bright ones."""

from dataclasses import dataclass
from typing import Final

import streamlit as st


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours on one background; `shades` go from the faintest to the strongest.

    `current` is for figures of the period shown, `pale` for those that are not over or not chosen, `earlier` for
    comparisons, `alert` for anomalies.
    """

    background: str
    panel: str
    border: str
    text: str
    current: str
    pale: str
    ribbon: str
    earlier: str
    alert: str
    series: tuple[str, ...]
    shades: tuple[str, ...]


LIGHT: Final = Palette(
    background="#ffffff",
    panel="#f5f7f8",
    border="#e2e8ec",
    text="#1f2933",
    current="#0f766e",
    pale="#8fd6ca",
    ribbon="rgba(15, 118, 110, 0.22)",
    earlier="#475569",
    alert="#d97706",
    series=("#0f766e", "#d97706", "#475569", "#0891b2", "#65a30d", "#9333ea", "#be123c", "#a16207"),
    shades=(
        "#f0fdfa",
        "#d5f5ee",
        "#b4e8de",
        "#8fd6ca",
        "#66bfb2",
        "#41a598",
        "#238a7e",
        "#0f766e",
        "#115e56",
        "#134e4a",
    ),
)
DARK: Final = Palette(
    background="#10171c",
    panel="#182229",
    border="#2b3841",
    text="#e6edf1",
    current="#2cb5a5",
    pale="#17605a",
    ribbon="rgba(44, 181, 165, 0.28)",
    earlier="#a3b3c0",
    alert="#f59e0b",
    series=("#2cb5a5", "#f59e0b", "#a3b3c0", "#22b8d4", "#93c83d", "#b680f5", "#f0617f", "#d3a52c"),
    shades=(
        "#122a2c",
        "#123634",
        "#12443f",
        "#14544d",
        "#17655d",
        "#1a7a70",
        "#219387",
        "#2cb5a5",
        "#5fd0c2",
        "#9be8dd",
    ),
)


def palette() -> Palette:
    """The colours for the browser of this run; those of the light theme while it has not said which it shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT
