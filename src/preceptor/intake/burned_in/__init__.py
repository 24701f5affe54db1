"""Names burned into pixels: found, masked, and shown to a person who signs."""
