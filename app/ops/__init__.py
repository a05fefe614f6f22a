"""Operations: the state of the system, and the commands that maintain its data."""
