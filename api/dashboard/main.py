"""The script Streamlit runs for every browser; it is all shell."""

from api.dashboard.shell import show

if __name__ == "__main__":
    show()
