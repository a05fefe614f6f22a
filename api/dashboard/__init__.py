"""The executive dashboard: Streamlit pages that read only the REST API."""
