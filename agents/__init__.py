"""The Faust agents, one file per source topic: its decoder, its table, its anomaly rules and live tables."""
