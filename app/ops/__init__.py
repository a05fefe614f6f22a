"""Operations: how the system is doing, and the commands that keep its data well."""
