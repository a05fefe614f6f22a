"""The warehouse in MongoDB against PostgreSQL's rows."""
