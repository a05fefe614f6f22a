"""`globalmart erase-user`: a user's data under a pseudonym, in every store."""
