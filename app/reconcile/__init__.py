"""Independent checks of every layer. They share no code with what they check."""
