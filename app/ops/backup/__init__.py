"""`globalmart backup` and `globalmart restore`: backups that prove themselves."""
