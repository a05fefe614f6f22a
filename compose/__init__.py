"""Two ways to run everything together: Docker, and embedded servers for demo and tests."""
