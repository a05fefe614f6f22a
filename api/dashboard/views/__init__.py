"""The pages, one file each: every one asks the API, shows what it said, and says as of when."""
