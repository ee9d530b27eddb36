"""The oracle: the same bytes go to two servers, and the same bytes must come back. See README.md."""
