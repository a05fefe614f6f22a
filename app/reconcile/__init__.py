"""The independent recount that judges the stream; it shares no logic with the worker."""

from app.reconcile.reading import RecountError
from app.reconcile.recount import reconcile
from app.reconcile.report import ReconcileReport
from app.reconcile.sales import LiveFigures

__all__ = ["LiveFigures", "ReconcileReport", "RecountError", "reconcile"]
