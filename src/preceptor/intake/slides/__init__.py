"""Whole slides: read level by level in a process with limits, cut into tiles, and tiles put together to a map."""
