"""Order routes: decisions in, broker calls out, order updates back as events."""
