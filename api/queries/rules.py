"""How well rules of the fraud desk do, by the labels."""

from typing import Any, Final

import asyncpg

from api.dates import Period
from api.postgres_reader import Database
from api.responses import SUM_TYPE, ratio

_SHARE_PLACES: Final = 4
_FRAUD: Final = """
SELECT count(*) AS fraud FROM order_labels JOIN transactions USING (transaction_id)
WHERE label = 'fraud' AND timestamp >= $1 AND timestamp < $2"""
#: An order without a verdict, as one that only a shadow raised, was let through.
_PERFORMANCE: Final = f"""
WITH raised AS (
    SELECT rule_version, false AS shadow, transaction_id, amount, event_time, detected_at FROM transaction_anomalies
    WHERE anomaly_type = $3 AND event_time >= $1 AND event_time < $2
    UNION ALL
    SELECT rule_version, true, transaction_id, amount, event_time, detected_at FROM shadow_anomalies
    WHERE rule_id = $3 AND event_time >= $1 AND event_time < $2
)
SELECT rule_version AS version, count(*) AS raised, count(*) FILTER (WHERE shadow) AS raised_in_shadow,
    count(*) FILTER (WHERE label = 'fraud') AS fraud, count(*) FILTER (WHERE label = 'legitimate') AS legitimate,
    coalesce(sum(raised.amount) FILTER (WHERE label = 'fraud'), 0)::{SUM_TYPE} AS money_caught,
    coalesce(sum(raised.amount) FILTER (WHERE label = 'legitimate' AND action <> 'allow'), 0)::{SUM_TYPE}
        AS money_wrongly_stopped,
    round(percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM raised.detected_at - raised.event_time))::NUMERIC, 3) AS median_seconds_to_detect
FROM raised LEFT JOIN order_labels USING (transaction_id) LEFT JOIN verdicts USING (transaction_id)
GROUP BY 1 ORDER BY 1 DESC"""


async def performance(database: Database, rule_id: str, period: Period) -> dict[str, Any]:
    """Returns what every version of a rule raised in a period, and how much of it was fraud, by the labels."""
    ((fraud,),) = await database.fetch(_FRAUD, period.start, period.end)
    found = await database.fetch(_PERFORMANCE, period.start, period.end, rule_id)
    return {"fraud_in_period": fraud, "versions": [_measured(row, fraud) for row in found]}


def _measured(row: asyncpg.Record, fraud: int) -> dict[str, Any]:
    labelled = row["fraud"] + row["legitimate"]
    return {
        **row,
        "precision": ratio(row["fraud"], labelled, _SHARE_PLACES),
        "recall": ratio(row["fraud"], fraud, _SHARE_PLACES),
    }
