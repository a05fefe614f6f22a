"""Real Kafka, PostgreSQL and MongoDB-protocol servers as child processes, without Docker."""
