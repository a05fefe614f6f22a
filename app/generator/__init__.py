"""The traffic generator: a pure, seeded model of a shop, and the part that sends it to Kafka."""
