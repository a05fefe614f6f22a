"""`globalmart dead-letters`: list, correct and replay rejected records."""
