"""The REST API: reads PostgreSQL (and, in time, the warehouse), knows nothing of Faust or Spark."""
