"""`globalmart doctor`: what is wrong with settings, machine and stores, each with its fix."""
