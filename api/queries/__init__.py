"""The API's SQL, one file per resource: each function asks one question and answers typed rows."""
