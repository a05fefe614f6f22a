"""`globalmart replay`: restores rows that are missing in PostgreSQL, from Kafka or from files."""
