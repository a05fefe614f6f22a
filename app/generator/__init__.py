"""The traffic generator: a pure, seeded model of a shop, and the player that sends its records to Kafka."""
