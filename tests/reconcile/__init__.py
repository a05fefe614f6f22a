"""Tests of the recount."""
