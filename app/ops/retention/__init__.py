"""`globalmart maintain`: retention and vacuum."""
