"""The test of rules on history: all cores, and the lake for what retention took."""
