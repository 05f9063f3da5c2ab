"""The dashboard's frame and router. Run it with `daybot dashboard`; every page is a file in `views/`."""

import streamlit as st

from dashboards import frame

BY_SESSION = {"Today", "Risk"}
"""Pages that show one session, which the header lets choose."""

BY_BOOK = {"Performance", "Execution", "Trades"}
"""Pages that show a book's past, and say whose it is beside the choice of it."""

st.set_page_config(page_title="DayBot", page_icon="📈", layout="wide")
page = st.navigation(
    [
        st.Page("views/today.py", title="Today", icon=":material/today:", default=True),
        st.Page("views/risk.py", title="Risk", icon=":material/shield:"),
        st.Page("views/performance.py", title="Performance", icon=":material/monitoring:"),
        st.Page("views/execution.py", title="Execution", icon=":material/speed:"),
        st.Page("views/trades.py", title="Trades", icon=":material/receipt_long:"),
        st.Page("views/research.py", title="Research", icon=":material/science:"),
        st.Page("views/data.py", title="Data", icon=":material/database:"),
    ],
    position="top",
)
frame.header(session=page.title in BY_SESSION, label=page.title not in BY_BOOK)
page.run()
