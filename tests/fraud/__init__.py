"""Tests of the fraud desk."""
