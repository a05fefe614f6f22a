"""The API's SQL, one file per resource: each function runs one query and returns its rows."""
