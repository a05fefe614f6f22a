"""Independent checks of every layer, which share no code with it."""
