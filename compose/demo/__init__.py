"""The demo: starts the whole system, sends live traffic, and finally recounts every figure."""
