"""What is in stock, and how much of it."""
