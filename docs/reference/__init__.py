"""The reference, written from the code when the site is built: each module makes the page of its name."""
