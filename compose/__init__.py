"""Two ways to run the whole system: Docker, and embedded servers for demo and tests."""
