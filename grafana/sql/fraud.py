"""Queries about anomalies, by the time of their orders."""

from typing import Final


def anomalies_over_time() -> str:
    """Anomalies per step by type, by the time of their order."""
    step = "make_interval(secs => greatest($__interval_ms, 60000) / 1000.0)"
    return f"""
SELECT date_bin({step}, event_time, to_timestamp(0)) AS time, anomaly_type AS metric, count(*) AS value
FROM transaction_anomalies WHERE $__timeFilter(event_time) GROUP BY 1, 2 ORDER BY time"""


#: Anomalies of the range by type, with their scores.
ANOMALIES_BY_TYPE: Final = """
SELECT anomaly_type AS type, count(*) AS anomalies,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY anomaly_score) AS median_score,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY anomaly_score) AS p95_score,
  max(anomaly_score) AS highest_score
FROM transaction_anomalies WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY anomalies DESC"""
#: Orders of the range with at least one anomaly.
FLAGGED_ORDERS: Final = """
SELECT count(DISTINCT transaction_id) AS orders
FROM transaction_anomalies WHERE $__timeFilter(event_time)"""
#: Their amounts, each order once.
FLAGGED_AMOUNT: Final = """
SELECT sum(amount) AS amount FROM (
  SELECT DISTINCT transaction_id, amount FROM transaction_anomalies WHERE $__timeFilter(event_time)
) AS flagged"""
#: The twenty users with the most anomalies in the range.
SUSPICIOUS_USERS: Final = """
SELECT user_id, count(*) AS anomalies, string_agg(DISTINCT anomaly_type, ', ') AS types,
  max(anomaly_score) AS highest_score, max(amount) AS highest_amount, max(event_time) AS last_at
FROM transaction_anomalies WHERE $__timeFilter(event_time)
GROUP BY user_id ORDER BY anomalies DESC, highest_score DESC LIMIT 20"""
#: Anomalies of the range by the country of their order.
ANOMALIES_BY_COUNTRY: Final = """
SELECT name_or_unknown(country) AS country, count(*) AS anomalies
FROM transaction_anomalies JOIN transactions USING (transaction_id)
WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY anomalies DESC LIMIT 20"""
#: The fifty newest anomalies of the range.
LATEST_ANOMALIES: Final = """
SELECT event_time, anomaly_type, user_id, transaction_id, amount, anomaly_score, threshold, description
FROM transaction_anomalies WHERE $__timeFilter(event_time) ORDER BY event_time DESC LIMIT 50"""
#: Verdicts of the range by action.
VERDICTS_BY_ACTION: Final = """
SELECT action, count(*) AS orders, sum(amount) AS amount, round(avg(risk_score)) AS mean_score
FROM verdicts WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY orders DESC"""
#: Cases that are open now, by severity, whatever the range.
OPEN_CASES: Final = """
SELECT severity, count(*) AS cases, sum(amount) AS amount, min(opened_at) AS oldest
FROM cases WHERE status = 'open' GROUP BY 1
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity::TEXT)"""
#: What each rule raised in the range, in force and in shadow.
RAISED_BY_RULE: Final = """
SELECT rule_id, 'active' AS state, max(rule_version) AS version, count(*) AS raised, sum(amount) AS amount
FROM transaction_anomalies WHERE $__timeFilter(event_time) GROUP BY 1
UNION ALL
SELECT rule_id, 'shadow', max(rule_version), count(*), sum(amount)
FROM shadow_anomalies WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY raised DESC"""
#: Precision of each rule by the labels that orders of the range have.
PRECISION_BY_RULE: Final = """
SELECT rule_id, count(*) AS labelled, count(*) FILTER (WHERE label = 'fraud') AS fraud,
  round(count(*) FILTER (WHERE label = 'fraud')::NUMERIC / count(*), 3) AS precision
FROM (SELECT transaction_id, rule_id FROM transaction_anomalies WHERE $__timeFilter(event_time)) AS raised
JOIN order_labels USING (transaction_id) GROUP BY 1 ORDER BY labelled DESC"""
