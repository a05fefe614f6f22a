"""The script that Streamlit runs for every browser."""

from api.dashboard.navigation import show

if __name__ == "__main__":
    show()
