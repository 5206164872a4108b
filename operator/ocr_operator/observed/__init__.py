"""What there is: what the watches told of, how it differs from what should be, and what is said of it."""
