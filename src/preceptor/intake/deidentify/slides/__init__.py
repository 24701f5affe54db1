"""Slides without their labels: TIFF taken apart by its directories, words inside pictures overwritten."""
