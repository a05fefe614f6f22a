"""`globalmart reconcile --repair`: corrects rollups from their rows."""
