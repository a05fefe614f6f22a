"""The script that Streamlit runs for every browser."""

from api.dashboard.app import show

if __name__ == "__main__":
    show()
