"""Connections that are encrypted and authenticated, against real servers with an authority of our own."""
