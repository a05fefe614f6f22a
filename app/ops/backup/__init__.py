"""`globalmart backup` and `globalmart restore`: backups with checksums that the restore compares."""
