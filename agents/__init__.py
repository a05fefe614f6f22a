"""The Faust agents, one file per source topic: what to decode, where to store it, what to show of it."""
