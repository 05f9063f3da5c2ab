"""The Streamlit pages: they read published snapshots and reach the runner by HTTP only."""
