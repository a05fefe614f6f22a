"""Tests rules on stored orders: what they would have raised, exactly as the stream would have judged."""
