"""The audit of the original: from its protocol to the proper one, one change at a time."""
