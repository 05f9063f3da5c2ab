"""Pictures: `style` has the colours, every other file the pictures of one subject. Frames in, Altair out; Streamlit's theme does the rest."""
