"""What becomes of an order: rules, matching, books and money. Knows no wire."""
