"""The recount of the stream: every record of Kafka against PostgreSQL."""
