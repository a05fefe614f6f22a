"""The pages, one file each: each one reads the API and shows the figures with their time."""
