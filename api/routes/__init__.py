"""The endpoints, one file per resource: check the question, ask, answer."""
