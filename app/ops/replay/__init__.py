"""`globalmart replay`: stores what PostgreSQL is missing, from Kafka or from files."""
