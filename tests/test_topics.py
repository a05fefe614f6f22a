"""The one table of topics."""

from app.topics import SOURCE_TOPICS, TOPICS, USER_TOPICS


def test_the_contract_names_six_topics() -> None:
    assert [(topic.name, topic.key, topic.source) for topic in TOPICS] == [
        ("transactions", "user_id", True),
        ("product_views", "user_id", True),
        ("cart_events", "user_id", True),
        ("system_metrics", "host", True),
        ("anomalies", "transaction_id:type", False),
        ("dead_letters", "source key", False),
    ]
    assert SOURCE_TOPICS == ("transactions", "product_views", "cart_events", "system_metrics")


def test_three_are_about_users() -> None:
    assert USER_TOPICS == ("transactions", "product_views", "cart_events")
