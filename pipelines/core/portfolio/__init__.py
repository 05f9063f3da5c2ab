"""How capital is spread over strategies and names."""
