"""The API's responses against both stores."""
