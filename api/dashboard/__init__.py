"""The executive dashboard: Streamlit pages over the REST API, and over nothing else."""
