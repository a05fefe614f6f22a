"""`globalmart status`: rates, lag, the last batch, disk."""
