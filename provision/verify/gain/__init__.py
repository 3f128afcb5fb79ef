"""What RSC is worth: legs that were measured with it and without, and what they come to."""
