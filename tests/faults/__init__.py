"""Whole workers against real stores, stopped, killed and cut off at the worst moments; a recount judges."""
