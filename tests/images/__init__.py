"""`python -m tests.images`: both images built and every service of the Docker stack run in them, without an engine."""
