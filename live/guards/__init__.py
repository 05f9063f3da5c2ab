"""Those who look over the runner's shoulder at the broker's own books, and protect what it missed."""
