"""Random faults of every kind against workers under load, drawn from a seed; the recount judges."""
