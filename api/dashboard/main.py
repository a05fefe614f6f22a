"""The script Streamlit runs for every browser; it is all shell."""

from api.dashboard.app import show

if __name__ == "__main__":
    show()
