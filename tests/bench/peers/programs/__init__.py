"""The peers' programs, run by environments that know nothing of this project."""
