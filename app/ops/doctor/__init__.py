"""`globalmart doctor`: finds problems of settings, machine and stores, and names the fixes."""
