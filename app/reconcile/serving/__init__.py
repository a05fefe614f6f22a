"""The answers of the API against both stores."""
