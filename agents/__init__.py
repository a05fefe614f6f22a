"""The Faust agents: one per source topic, with a file of its own where more happens than storing."""
