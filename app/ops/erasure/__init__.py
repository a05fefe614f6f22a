"""`globalmart erase-user`: replaces a user by a pseudonym in every store."""
