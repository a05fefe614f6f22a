"""The API under load: 5 million stored orders, a published warehouse, requests at a fixed rate."""
