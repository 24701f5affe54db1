"""Phantoms and made-up tables written as a study: what is planned, drawn, and how it lies on disk."""
