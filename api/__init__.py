"""The REST API: reads PostgreSQL and the warehouse, and depends on neither Faust nor Spark."""
