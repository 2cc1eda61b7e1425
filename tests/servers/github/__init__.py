"""GitHub to test against."""
