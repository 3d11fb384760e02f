"""What is known of one thing: its description, and what surrounds it."""
