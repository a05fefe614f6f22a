"""The endpoints, one file per resource: validate the parameters, query, respond."""
