"""What is measured about the benchmark itself."""
