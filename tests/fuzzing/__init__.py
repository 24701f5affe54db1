"""Files damaged in every way bytes can be, read by processes that may die of it: what comes out is counted."""
