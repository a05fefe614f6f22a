"""Bad input of every kind, on every topic, in every compression; worker and recount must agree on each record."""
