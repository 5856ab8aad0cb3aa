"""The tests; README.md here says what they cover."""
